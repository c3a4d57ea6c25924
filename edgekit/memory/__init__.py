"""Tensor lifetimes, memory plans, and the tensor arena: head, tail, scratch."""

"""Latency estimates: cycles an operator and kernel library."""

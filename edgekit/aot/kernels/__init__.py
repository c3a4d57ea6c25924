"""The kernels of ``firmware/engine/aot``, one module a C file: geometry, safe lead and scratch of a call."""

"""What the ``aot`` engine makes of a graph: kernel calls, folded constants, static plan, sizes."""

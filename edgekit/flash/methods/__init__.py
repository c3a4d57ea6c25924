"""How each tool puts an image onto a board, one module each: what it is told, what to press, what its refusals mean."""

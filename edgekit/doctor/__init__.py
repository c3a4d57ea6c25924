"""Finding out why building, flashing or talking to a board does not work, and what to do about it."""

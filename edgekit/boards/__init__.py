"""Board profiles: what a board has, what its SDK reserves, and where each figure is from."""

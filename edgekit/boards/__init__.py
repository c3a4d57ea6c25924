"""Board profiles: what a board has, what its SDK reserves, where each figure is from; cores, and ports to machines."""

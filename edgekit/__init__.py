"""edgekit puts the best MobileNet a board can hold onto that board, and proves it."""

__version__ = "0.1.0"

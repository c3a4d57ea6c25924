"""Write scikit-learn's 1,797 labelled 8x8 digits as a folder of PNG files, one subfolder a class."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
from PIL import Image
from sklearn.datasets import load_digits


def write_digits(folder: Path) -> int:
    """Write the digits below ``folder`` and return how many there are."""
    digits = load_digits()
    for number, (pixels, label) in enumerate(zip(digits.images, digits.target, strict=True)):
        path = folder / str(label) / f"{number:04}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        # scikit-learn's gray levels go from 0 to 16.
        Image.fromarray(np.round(pixels * (255 / 16)).astype(np.uint8)).save(path)
    return len(digits.target)


if __name__ == "__main__":
    print(write_digits(Path(sys.argv[1])), "images written to", sys.argv[1])

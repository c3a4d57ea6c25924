"""Decoding one JPEG or PNG to the pixels a network gets, whatever the file really holds."""

from __future__ import annotations

import struct
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from PIL.Image import Image

SUFFIXES: Final = frozenset({".jpg", ".jpeg", ".jpe", ".png"})
MAX_PIXELS: Final = 100_000_000
"""Pixels of the largest image that is decoded; a few KB of PNG can claim billions."""


class UnreadableImage(Exception):
    """The file is not a usable image; the text says why, in a few words."""


def read_image(path: Path, height: int, width: int, channels: int) -> NDArray[np.uint8]:
    """Return an image as uint8 [height, width, channels].

    The orientation in its EXIF data is applied. The largest centred part of the wanted aspect ratio is cut
    out and resized bilinearly (area-averaging when it shrinks), so nothing is distorted and the rim of the
    longer side is lost. Transparency is ignored; 16-bit grayscale keeps its upper byte.

    Raises
    ------
    UnreadableImage
        If the file cannot be decoded or has more than ``MAX_PIXELS`` pixels.
    """
    from PIL import Image, ImageOps, UnidentifiedImageError

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with Image.open(path, formats=("JPEG", "PNG")) as image:
                if image.width * image.height > MAX_PIXELS:
                    raise UnreadableImage(f"{image.width} x {image.height} pixels are too many")
                image.draft("RGB" if channels == 3 else "L", (2 * width, 2 * height))
                upright = ImageOps.exif_transpose(image)
                pixels = ImageOps.fit(_in_mode(upright, channels), (width, height), Image.Resampling.BILINEAR)
    except Image.DecompressionBombError as error:
        raise UnreadableImage("too many pixels") from error
    except UnidentifiedImageError as error:
        raise UnreadableImage("not a JPEG or PNG") from error
    except (OSError, SyntaxError, ValueError, EOFError, struct.error) as error:
        raise UnreadableImage(str(getattr(error, "strerror", None) or error) or "damaged") from error
    return np.asarray(pixels, np.uint8).reshape(height, width, channels)


def _in_mode(image: Image, channels: int) -> Image:
    """Return ``image`` as 8-bit grayscale or RGB."""
    if image.mode.startswith("I"):  # 16 bits a pixel; Pillow's own conversion to 8 bits would clip
        from PIL import Image as pil

        values: NDArray[Any] = np.asarray(image)
        image = pil.fromarray((values >> 8).clip(0, 255).astype(np.uint8))
    return image.convert("RGB" if channels == 3 else "L")

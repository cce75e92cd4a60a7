"""A user's image files as a trained network takes them."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import typer
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

from corpora import DataError


def read_pictures(files: Sequence[Path], shape: tuple[int, ...], resize: bool) -> NDArray[np.uint8]:
    """The files as images `(n, height, width)` of grey, or `(n, height, width, 3)` if the shape has colour.

    Raises DataError for a file that is no image, and typer.BadParameter for one of another size, unless it
    is to be resized.
    """
    return np.stack([read_picture(file, shape, resize) for file in files])


def read_picture(file: Path, shape: tuple[int, ...], resize: bool) -> NDArray[np.uint8]:
    """One file as an image of that shape."""
    height, width = shape[:2]
    image = grey_or_colour(opened(file), len(shape) > 2)
    if image.size != (width, height):
        if not resize:
            raise typer.BadParameter(
                f"{file}: expected {width}×{height} pixels, found {image.width}×{image.height}: give --resize"
            )
        image = image.resize((width, height), Image.Resampling.BILINEAR)
    return np.asarray(image, dtype=np.uint8)


def opened(file: Path) -> Image.Image:
    """The image in a file, turned as it is meant to be seen; raises DataError."""
    try:
        with Image.open(file) as image:
            image.load()
            return ImageOps.exif_transpose(image)
    except UnidentifiedImageError:
        found = "something else"
    except OSError as error:
        found = error.strerror or "a damaged one"
    except Exception as error:  # damaged files make Pillow raise nearly anything
        found = f"a damaged one ({type(error).__name__})"
    raise DataError(f"{file}: expected an image file, found {found}: check the path, or convert it")


def grey_or_colour(image: Image.Image, colour: bool) -> Image.Image:
    """Eight bits of grey, or of red, green and blue; of 16 bits of grey the upper 8."""
    if image.mode.startswith("I"):  # convert("L") would clip these at 255
        image = Image.fromarray((np.asarray(image) >> 8).astype(np.uint8))
    return image.convert("RGB" if colour else "L")

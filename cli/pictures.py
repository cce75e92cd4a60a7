"""A user's image files as a trained network takes them."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import typer
from numpy.typing import NDArray
from PIL import Image

from corpora.own_images import picture


def read_pictures(files: Sequence[Path], shape: tuple[int, ...], resize: bool) -> NDArray[np.uint8]:
    """The files as images `(n, height, width)` of grey, or `(n, height, width, 3)` if the shape has colour.

    Raises DataError for a file that is no image, and typer.BadParameter for a folder or for an image of
    another size, unless it is to be resized.
    """
    return np.stack([read_picture(file, shape, resize) for file in files])


def read_picture(file: Path, shape: tuple[int, ...], resize: bool) -> NDArray[np.uint8]:
    """One file as an image of that shape."""
    if file.is_dir():
        raise typer.BadParameter(
            f"{file}: expected an image file, found a folder: give its files: {file}/*.png"
        )
    height, width, *colours = shape
    image = Image.fromarray(picture.read_picture(file)).convert("RGB" if colours else "L")
    if image.size != (width, height):
        if not resize:
            raise typer.BadParameter(
                f"{file}: expected {width}×{height} pixels, found {image.width}×{image.height}: give --resize"
            )
        image = image.resize((width, height), Image.Resampling.BILINEAR)
    return np.asarray(image, dtype=np.uint8)

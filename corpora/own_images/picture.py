"""One PNG or JPEG file as bytes of grey or colour."""

import warnings
from pathlib import Path
from typing import TYPE_CHECKING

from corpora.corpus import DataError

if TYPE_CHECKING:
    from numpy import uint8
    from numpy.typing import NDArray
    from PIL.Image import Image

GREY = ("1", "L", "LA")


def read_picture(path: Path) -> "NDArray[uint8]":
    """Grey `(h, w)` or colour `(h, w, 3)`, as it is meant to be turned; raises DataError."""
    from PIL import Image, ImageOps, UnidentifiedImageError

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(path, formats=("PNG", "JPEG")) as image:
                return pixels(ImageOps.exif_transpose(image))
    except UnidentifiedImageError:
        found = "something else: remove or convert it"
    except FileNotFoundError:
        found = "no file: check the path"
    except PermissionError as error:
        found = f"{error.strerror}: check its rights"
    except Exception as error:  # damaged files make Pillow raise nearly anything
        found = f"a damaged one ({type(error).__name__}): replace or remove it"
    raise DataError(f"{path}: expected a whole PNG or JPEG file, found {found}")


def pixels(image: "Image") -> "NDArray[uint8]":
    """Eight bits of grey or colour: alpha is dropped, a palette resolved, of 16 bits the upper 8 taken."""
    import numpy as np

    if image.mode.startswith("I"):  # convert("L") would clip these at 255
        return (np.asarray(image) >> 8).astype(np.uint8)
    if image.mode in GREY:
        return np.array(image.convert("L"))
    colours = np.array(image.convert("RGB"))
    resolved_to_grey = image.mode == "P" and bool((colours == colours[..., :1]).all())
    return colours[..., 0] if resolved_to_grey else colours

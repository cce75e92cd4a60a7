"""Arrays of images in, tensors out: what users hand over, checked."""

import re
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

Array = NDArray[Any]


def is_picture(value: Any) -> bool:
    """Whether a value is an image of PIL, which is not imported for it."""
    return hasattr(value, "convert") and hasattr(value, "getbands")


def as_array(X: Any, mode: str) -> Array:  # noqa: N803
    """Arrays, tensors, PIL images (as grey `L` or as `RGB`), or a list of any of them, as one array."""
    if is_picture(X):
        return np.asarray(X.convert(mode))
    if isinstance(X, Tensor):
        held = X.detach().cpu()
        return np.asarray(held.float() if held.is_floating_point() else held)
    if isinstance(X, list | tuple) and any(is_picture(x) or isinstance(x, Tensor) for x in X):
        X = [as_array(x, mode) for x in X]  # noqa: N806
    try:
        return np.asarray(X)
    except ValueError:
        raise ValueError(
            "images: expected images of one size, found several: make them alike first"
        ) from None


def as_images(X: Any, shape: Sequence[int] | None = None, brightest: float = 255.0) -> Tensor:  # noqa: N803
    """Images as a network takes them, `(n, *shape)`; without a `shape`, any `(n, height, width[, channels])`.

    X is one image or several: numpy, torch, PIL, or a list of them; channels come last. Integers have to be 0
    to 255 and are taken as they are. Floats have to be in [0, 1] and are multiplied by `brightest`, the
    largest pixel that the network was trained with. The factor is for the eye alone: every network brings
    each image to unit mean square first, so that a brighter copy of an image is the same image. PIL images
    become grey or RGB, as the network's images are. Raises ValueError, saying what was expected and found,
    for anything else.
    """
    wanted = (
        "(n, height, width) or (n, height, width, 3)"
        if shape is None
        else f"(n, {', '.join(map(str, shape))})"
    )
    found = as_array(X, "RGB" if shape is not None and len(shape) == 3 else "L")
    if found.dtype.kind not in "buif":
        raise ValueError(f"images: expected numbers of shape {wanted}, found {found.dtype}: convert them")
    if found.size == 0:
        raise ValueError(f"images: expected at least one, of shape {wanted}, found none, of {found.shape}")
    if shape is not None:
        shape = tuple(shape)
        if found.shape == shape or found.shape == (*shape, 1):
            found = found.reshape(1, *shape)
        elif found.shape[1:] == (*shape, 1):
            found = found[..., 0]
    if found.ndim not in (3, 4) if shape is None else found.shape[1:] != shape:
        raise ValueError(
            f"images: expected shape {wanted}, found {found.shape}: resize them to the size that the "
            "network was trained with, and put channels last"
        )
    return pixels_of(found, brightest)


def pixels_of(found: Array, brightest: float) -> Tensor:
    """Numbers as pixels: uint8 of integers, float32 of floats; raises ValueError for numbers out of range."""
    whole = found.dtype.kind in "ui"
    low, high = float(found.min()), float(found.max())  # nan if any number is
    top = 255 if whole else 1
    if not (low >= 0 and high <= top):
        cure = "divide by the largest pixel, or convert to uint8" if not whole else "scale them"
        raise ValueError(
            f"images: expected {'integers 0 to 255' if whole else 'floats in [0, 1]'} without NaN, found "
            f"{low:g} to {high:g}: {cure}"
        )
    if whole:
        return torch.from_numpy(found.astype(np.uint8))
    return torch.from_numpy(found.astype(np.float32) * np.float32(brightest))


def class_values(names: Iterable[str]) -> Array:
    """What `predict` answers with: integers if all names are, else the names."""
    names = list(names)
    integers = all(re.fullmatch(r"-?[0-9]+", name) and str(int(name)) == name for name in names)
    return np.array([int(name) for name in names] if integers else names)

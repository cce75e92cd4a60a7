"""Images in an .npz file of numpy arrays: x_train and y_train, perhaps other parts and names of classes."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from corpora.corpus import DataError
from corpora.own_images.parts import Given, Part

if TYPE_CHECKING:
    from numpy.typing import NDArray

PARTS = {"train": "train", "val": "validation", "test": "test"}  # as in x_train
NAMES = "x_train, y_train, perhaps x_val, y_val, x_test, y_test (or only x, y), and perhaps classes"


def read_npz(path: Path) -> Given:
    """The parts of a file; raises DataError."""
    arrays = arrays_of(path)
    classes = names_of(arrays.pop("classes"), f"{path}: classes") if "classes" in arrays else None
    if classes and len(set(classes)) < len(classes):
        raise DataError(
            f"{path}: expected different names in classes, found {', '.join(classes)}: rename some"
        )
    if set(arrays) == {"x", "y"}:
        arrays = {"x_train": arrays["x"], "y_train": arrays["y"]}
    parts = {part: f"{path}: x_{key}" for key, part in PARTS.items() if f"x_{key}" in arrays}
    wanted = {f"{axis}_{key}" for key, part in PARTS.items() if part in parts for axis in "xy"}
    if "train" not in parts or wanted != set(arrays):
        raise DataError(f"{path}: expected arrays {NAMES}, found {', '.join(arrays) or 'none'}: rename them")
    found = {
        part: part_of(
            arrays[f"x_{key}"], arrays[f"y_{key}"], (f"{path}: x_{key}", f"{path}: y_{key}"), classes
        )
        for key, part in PARTS.items()
        if part in parts
    }
    check_alike(found, parts)
    return Given(found, tuple(classes) if classes else None)


def arrays_of(path: Path) -> "dict[str, NDArray[Any]]":
    """All arrays of a file; raises DataError. Pickled objects are not loaded: they could run code."""
    import numpy as np

    try:
        with np.load(path, allow_pickle=False) as file:
            return {name: file[name] for name in file.files}
    except Exception as error:  # damaged files make numpy and zipfile raise nearly anything
        raise DataError(
            f"{path}: expected an .npz file of plain arrays, found something else or a damaged one "
            f"({type(error).__name__}): write it with numpy.savez"
        ) from None


def part_of(x: "NDArray[Any]", y: "NDArray[Any]", names: tuple[str, str], classes: list[str] | None) -> Part:
    """Images with the names of their classes; integers are places in `classes`, if there are any."""
    import torch

    labels = names_of(y, names[1], classes)
    images = torch.from_numpy(images_of(x, names[0]))
    if len(images) != len(labels):
        raise DataError(
            f"{names[1]}: expected as many labels as images, {len(images)}, found {len(labels)}: correct it"
        )
    return Part(images, labels)


def images_of(array: "NDArray[Any]", name: str) -> "NDArray[Any]":
    """Square images as bytes: uint8 as they are, floats from 0 to 1 times 255; raises DataError."""
    import numpy as np

    if array.ndim == 4 and array.shape[3] == 1:
        array = array[..., 0]
    good = array.ndim == 3 or (array.ndim == 4 and array.shape[3] == 3)
    if not good or not array.size or array.shape[1] != array.shape[2]:
        raise DataError(
            f"{name}: expected square images (n, size, size), or (n, size, size, 3) in colour, found "
            f"{array.shape}: reshape, crop or pad them"
        )
    if array.dtype.kind not in "biuf":
        raise DataError(f"{name}: expected uint8, or floats from 0 to 1, found {array.dtype}: convert them")
    most = 1 if array.dtype.kind in "bf" else 255
    if not (array.min() >= 0 and array.max() <= most):  # also of NaN
        raise DataError(
            f"{name}: expected {array.dtype} values from 0 to {most}, found {array.min()} to {array.max()}: "
            "rescale them, or save them as uint8"
        )
    return np.ascontiguousarray((array * 255.0).round() if most == 1 else array, dtype=np.uint8)


def names_of(array: "NDArray[Any]", name: str, classes: list[str] | None = None) -> list[str]:
    """Labels as names of classes; integers are places in `classes`, or their own names. Raises DataError."""
    array = array[:, 0] if array.ndim == 2 and array.shape[1] == 1 else array
    if array.ndim != 1 or array.dtype.kind not in "biuUS":
        raise DataError(
            f"{name}: expected one integer or string for each, found {array.dtype} {array.shape}: "
            "convert them, for example with .astype(int)"
        )
    if array.dtype.kind == "S":
        return [label.decode(errors="replace") for label in array.tolist()]
    if array.dtype.kind == "U" or classes is None:
        return [str(label if array.dtype.kind == "U" else int(label)) for label in array.tolist()]
    if len(array) and not (array.min() >= 0 and array.max() < len(classes)):
        raise DataError(
            f"{name}: expected labels from 0 to {len(classes) - 1}, as there are {len(classes)} classes, "
            f"found {array.min()} to {array.max()}: correct them"
        )
    return [classes[int(label)] for label in array.tolist()]


def check_alike(found: dict[str, Part], names: dict[str, str]) -> None:
    """Raises DataError unless the images of all parts have one shape."""
    first = found["train"].images.shape[1:]
    for part, here in found.items():
        if here.images.shape[1:] != first:
            raise DataError(
                f"{names[part]}: expected images of {tuple(first)} as in {names['train']}, found "
                f"{tuple(here.images.shape[1:])}: bring all to one shape"
            )

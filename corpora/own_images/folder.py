"""Images in folders: one folder per class, or train/ and test/ (and val/) above such folders."""

from pathlib import Path
from typing import TYPE_CHECKING

from corpora.corpus import DataError
from corpora.own_images.parts import Given, Part, natural
from corpora.own_images.picture import read_picture

if TYPE_CHECKING:
    from numpy import uint8
    from numpy.typing import NDArray

PARTS = {"train": "train", "test": "test", "val": "validation", "validation": "validation"}
HIDDEN = ("thumbs.db", "desktop.ini")  # and all that begins with a dot
ORDER = 0  # seed of the order in each part, so that its first images are of all classes


def read_folder(root: Path) -> Given:
    """All images below a folder, each part in an order that is mixed and always the same; raises DataError.

    All are grey `(n, h, w)` if every file is, else colour `(n, h, w, 3)`.
    """
    import numpy as np
    import torch

    files = {part: files_of(folder) for part, folder in parts_of(root).items()}
    paths = [path for found in files.values() for path, _ in found]
    pictures = alike(paths, [read_picture(path) for path in paths])
    parts, start = {}, 0
    for part, found in files.items():
        order = torch.randperm(len(found), generator=torch.Generator().manual_seed(ORDER))
        images = torch.from_numpy(np.stack(pictures[start : start + len(found)]))
        parts[part] = Part(images[order], [found[place][1] for place in order])
        start += len(found)
    return Given(parts)


def entries(folder: Path) -> list[Path]:
    """What is in a folder and not hidden, in natural order; raises DataError."""
    try:
        found = [path for path in folder.iterdir() if not path.name.startswith(".")]
    except OSError as error:
        raise DataError(
            f"{folder}: expected a readable folder, found {error.strerror}: check its rights"
        ) from None
    return sorted((p for p in found if p.name.lower() not in HIDDEN), key=lambda p: natural(p.name))


def parts_of(root: Path) -> dict[str, Path]:
    """The folder of each part; a folder train/ with folders in it says that there are parts."""
    there = entries(root)
    train = [path for path in there if path.name.lower() == "train" and path.is_dir()]
    if not any(below.is_dir() for path in train for below in entries(path)):
        return {"train": root}
    parts: dict[str, Path] = {}
    for path in there:
        part = PARTS.get(path.name.lower())
        if part is None or part in parts or not path.is_dir():
            raise DataError(
                f"{path}: expected beside {train[0].name}/ at most one folder test/ and one val/, found "
                f"{path.name}: move it elsewhere"
            )
        parts[part] = path
    return parts


def files_of(folder: Path) -> list[tuple[Path, str]]:
    """The files of a part, each with the name of its class; raises DataError."""
    found = []
    for place in entries(folder):
        if not place.is_dir():
            raise DataError(
                f"{place}: expected only folders in {folder}, one per class, found a file: "
                "put images into the folder of their class, other files elsewhere"
            )
        files = entries(place)
        for file in files:
            if file.is_dir():
                raise DataError(
                    f"{file}: expected only images in the class folder {place.name}/, found a folder: "
                    "put classes side by side, or below train/ and test/"
                )
        if not files:
            raise DataError(f"{place}: expected images in a class folder, found none: add some or remove it")
        found += [(file, place.name) for file in files]
    if not found:
        raise DataError(f"{folder}: expected one folder per class with images in it, found none: add them")
    return found


def alike(paths: list[Path], pictures: list["NDArray[uint8]"]) -> list["NDArray[uint8]"]:
    """Square pictures of one size, all grey or all colour; raises DataError, naming two that differ."""
    import numpy as np

    first = pictures[0].shape
    if first[0] != first[1]:
        raise DataError(
            f"{paths[0]}: expected a square image, found {size(pictures[0])} pixels: crop or pad all images"
        )
    for path, picture in zip(paths, pictures, strict=True):
        if picture.shape[:2] != first[:2]:
            raise DataError(
                f"{path}: expected {size(pictures[0])} pixels as in {paths[0]}, found {size(picture)}: "
                "bring all images to one size"
            )
    if all(picture.ndim == 2 for picture in pictures):
        return pictures
    return [np.stack([p] * 3, axis=-1) if p.ndim == 2 else p for p in pictures]


def size(picture: "NDArray[uint8]") -> str:
    """Width × height."""
    return f"{picture.shape[1]}×{picture.shape[0]}"

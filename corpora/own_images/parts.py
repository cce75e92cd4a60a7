"""Training, validation and test part of a user's own images: checked, and held out where they are missing."""

import re
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from corpora.corpus import Corpus, DataError, Description, Split
from corpora.own_images.holdout import hold_out

if TYPE_CHECKING:
    from torch import Tensor

SHARES = {"test": 0.2, "validation": 0.1}  # held out where not given, in this order


@dataclass(frozen=True)
class Part:
    """Images `(n, h, w)` or `(n, h, w, 3)`, uint8, and the name of each one's class."""

    images: "Tensor"
    names: list[str]


@dataclass(frozen=True)
class Given:
    """The parts that there are, "train" among them; `classes` in order, if somebody has put them in order."""

    parts: dict[str, Part]
    classes: tuple[str, ...] | None = None


def natural(name: str) -> tuple[list[str | int], str]:
    """A key that sorts 2 before 10."""
    pieces = re.split(r"([0-9]+)", name)
    return [int(piece) if i % 2 else piece for i, piece in enumerate(pieces)], name


def assemble(path: Path, given: Given, seed: int) -> Corpus:
    """A corpus of the parts; what is missing is held out of the training part. Raises DataError."""
    classes = given.classes or tuple(sorted(set(given.parts["train"].names), key=natural))
    check_classes(path, given.parts, classes)
    code = {name: place for place, name in enumerate(classes)}
    splits = {part: labelled(found, code) for part, found in given.parts.items()}
    missing = [part for part in SHARES if part not in splits]
    check_sizes(path, given.parts["train"].names, missing)
    notes = []
    for part in missing:
        known = splits["train"]
        kept, held = hold_out(known.labels, SHARES[part], seed)
        splits |= {"train": known[kept], part: known[held]}
        notes.append(
            f"no {part} images were given: {len(held)} of {len(known.labels)} were held out, stratified, "
            f"seed {seed}"
        )
    name, shape = str(path), tuple(splits["train"].images.shape[1:])
    described = Description(name, name, name, "–", shape, classes)
    return Corpus(splits["train"], splits["validation"], splits["test"], described, "; ".join(notes))


def labelled(part: Part, code: dict[str, int]) -> Split:
    """Images with the codes of their classes."""
    import torch

    return Split(part.images, torch.tensor([code[name] for name in part.names], dtype=torch.int64))


def check_classes(path: Path, parts: dict[str, Part], classes: tuple[str, ...]) -> None:
    """Raises DataError unless there are classes to tell apart, and images to learn every one from."""
    trained = set(parts["train"].names)
    if len(classes) < 2:
        raise DataError(f"{path}: expected at least 2 classes, found {len(classes)}: add images of another")
    for part, found in parts.items():
        if strange := sorted(set(found.names) - trained, key=natural):
            raise DataError(
                f"{path}: expected in {part} only classes that train has, found {listed(strange)}: "
                "add training images of them or take them out"
            )
    if untrained := [name for name in classes if name not in trained]:
        raise DataError(
            f"{path}: expected training images of every class, found none of {listed(untrained)}: "
            "add some or leave the class out"
        )


def check_sizes(path: Path, names: list[str], missing: list[str]) -> None:
    """Raises DataError if a class has too few images for every missing part to get one, and one to stay."""
    least = 1 + len(missing)
    if small := sorted((n for n, count in Counter(names).items() if count < least), key=natural):
        raise DataError(
            f"{path}: expected at least {least} images of every class, because {' and '.join(missing)} "
            f"images are to be held out, found fewer of {listed(small)}: add images, or give these parts"
        )


def listed(names: list[str]) -> str:
    """A few names for a message."""
    return ", ".join(map(repr, names[:5])) + (f" and {len(names) - 5} more" if len(names) > 5 else "")

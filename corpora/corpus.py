"""What every reader of images returns, and the one error that every reader raises."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor


class DataError(Exception):
    """Data that cannot be read: one line saying what was expected, what was found, what to do."""


@dataclass(frozen=True)
class Split:
    """Images, grey `(n, height, width)` or colour `(n, height, width, 3)`, uint8; labels `(n,)`, int64."""

    images: "Tensor"
    labels: "Tensor"

    def __getitem__(self, rows: "slice | Tensor") -> "Split":
        """The images of those rows, with their labels."""
        return Split(self.images[rows], self.labels[rows])

    @staticmethod
    def concatenated(parts: "Sequence[Split]") -> "Split":
        """Several parts as one, in their order."""
        import torch

        return Split(torch.cat([p.images for p in parts]), torch.cat([p.labels for p in parts]))


@dataclass(frozen=True)
class Description:
    """What a data set is, where it comes from and on what terms.

    `shape` is an image's (height, width) or (height, width, 3), or (characters,) of a string. `classes` are
    the names of the classes, or the symbols of a text; a text that brings its own symbols has none before
    it is loaded.
    """

    name: str
    title: str
    source: str
    licence: str
    shape: tuple[int, ...]
    classes: tuple[str, ...]


@dataclass(frozen=True)
class Corpus:
    """A data set in the three parts that an honest experiment needs."""

    train: Split
    validation: Split | None
    """None once it has joined the training set."""
    test: Split
    description: Description
    note: str = ""
    """Which parts were made here because the files had none; empty if all were given."""
    joined_at: int | None = None
    """How many training images there were before the validation images joined them."""

    def joined(self) -> "Corpus":
        """Training and validation images as one training set, and nothing to validate on."""
        if self.validation is None:
            return self
        train = Split.concatenated((self.train, self.validation))
        return replace(self, train=train, validation=None, joined_at=len(self.train.labels))

    @cached_property
    def sha256(self) -> str:
        """Of the images and labels of all parts, in their order, and of the names of the classes.

        Tells a changed data set or split. A joined corpus has the value of the corpus it was made from.
        """
        parts = [self.train, *([self.validation] if self.validation else []), self.test]
        if self.joined_at is not None:
            parts[:1] = [self.train[: self.joined_at], self.train[self.joined_at :]]
        shapes = [list(part.images.shape) for part in parts]
        digest = hashlib.sha256(json.dumps([shapes, self.description.classes]).encode())
        for part in parts:
            digest.update(part.images.flatten().numpy().data)
            digest.update(part.labels.numpy().astype("<i8").data)
        return digest.hexdigest()

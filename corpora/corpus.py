"""What every reader returns, and the one error that every reader raises."""

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor


class DataError(Exception):
    """Data that cannot be read: one line saying what was expected, what was found, what to do."""


@dataclass(frozen=True)
class Split:
    """Images `(n, height, width)` as uint8 and their labels `(n,)` as int64."""

    images: "Tensor"
    labels: "Tensor"


@dataclass(frozen=True)
class Description:
    """What a data set is, where it comes from and on what terms."""

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

    def joined(self) -> "Corpus":
        """Training and validation images as one training set, and nothing to validate on."""
        import torch

        if self.validation is None:
            return self
        parts = (self.train, self.validation)
        images, labels = torch.cat([p.images for p in parts]), torch.cat([p.labels for p in parts])
        return replace(self, train=Split(images, labels), validation=None)

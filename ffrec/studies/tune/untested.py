"""Data without its test part, so that a search cannot read it."""

import hashlib
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from ffrec.config import ConfigError, Recipe, TextRecipe
from ffrec.tasks.images import Described


@dataclass(frozen=True)
class Untested:
    """The training and the validation part of a corpus, as a task takes them."""

    train: Any
    validation: Any
    test: Tensor | None
    """None for images, and no strings for a text."""
    description: Described
    fingerprint: str
    """SHA-256 of the two parts."""
    sha256: str = ""
    """Of all parts, which are not all here: a run is compared with its data by name."""


def untested(recipe: Recipe, corpus: Any) -> Untested:
    """A corpus without its test part; raises ConfigError where there is nothing to validate on."""
    if getattr(recipe.training, "train_on_validation", False):
        raise ConfigError(
            "train_on_validation: expected false, found true: a search measures on validation images, "
            "which a run must then not learn from"
        )
    train, validation = corpus.train, corpus.validation
    if validation is None or not len(parts(validation)[0]):
        raise ConfigError(f"{recipe.data}: expected data with a validation part, found none: add one")
    digest = hashlib.sha256()
    for tensor in (*parts(train), *parts(validation)):
        digest.update(repr(tuple(tensor.shape)).encode())
        digest.update(tensor.contiguous().numpy().tobytes())
    nothing = validation[:0] if isinstance(recipe, TextRecipe) else None
    return Untested(train, validation, nothing, corpus.description, digest.hexdigest())


def parts(part: Any) -> tuple[Tensor, ...]:
    """The tensors of one part: images and labels, or strings."""
    return (part,) if isinstance(part, Tensor) else (part.images, part.labels)

"""`ffrec.train`: a run from a notebook, from its recipe to a model."""

import dataclasses
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ffrec.config import ConfigError, Recipe
from ffrec.models.arrays import as_images
from ffrec.models.image_model import ImageModel
from ffrec.models.load import load
from ffrec.models.progress import Event, Line
from ffrec.models.text_model import TextModel
from ffrec.recipes import recipe as recipe_named
from ffrec.storage.files import RunError
from ffrec.storage.run_folder import RunFolder
from ffrec.tasks.images import ARRAYS
from ffrec.tasks.kinds import new_task
from ffrec.tasks.task import Task
from ffrec.training.arithmetic import pick_precision
from ffrec.training.device import pick_device
from ffrec.training.events import Epoch


@dataclass(frozen=True)
class Trained:
    """What `train` returns."""

    model: ImageModel | TextModel
    history: list[dict[str, Any]] = field(repr=False)
    """A record of every epoch, as metrics.jsonl has it."""
    result: dict[str, Any] = field(repr=False)
    """As result.json: the test set, read once, at the end; for arrays without a test set, the run alone."""
    folder: Path | None
    """The run folder; None if it was not kept."""


def train(
    recipe: str | Recipe,
    *,
    epochs: int | None = None,
    data: Any = None,
    out: str | Path | None = None,
    force: bool = False,
    seed: int = 0,
    device: str = "auto",
    precision: str = "auto",
    callbacks: Iterable[Callable[[Event], object]] = (),
    progress: bool = True,
    **settings: Any,
) -> Trained:
    """Train a recipe to its end, and read the test set once.

    `recipe` is a name from `ffrec.RECIPES` or a recipe; `epochs` and `settings` replace settings of its
    network or training. `data` is None for the recipe's own data set (looked for in FFREC_DATA), or the path
    of images or of a text, or a pair of
    images `(n, height, width[, channels])`, as `as_images` says, and labels `(n,)`, integers or names; or an
    object with train, validation (or None) and test as `corpora.load` returns it. A pair has no validation
    images: all are learnt from, and the temperature of `predict_proba` is fitted on the last tenth of them.

    `out` is the run folder to write, which must not exist unless `force` replaces it; without it nothing is
    kept on disk. Every callback
    is called with every event: Update, Epoch, Interrupted. Raises ConfigError for wrong settings or data,
    RunError if `out` exists, and Diverged if a loss is not finite.
    """
    chosen = recipe_named(recipe) if isinstance(recipe, str) else recipe
    chosen = chosen.override(settings if epochs is None else {"epochs": epochs, **settings})
    if isinstance(data, tuple | list):
        data = Arrays.of(tuple(data))
    chosen = dataclasses.replace(chosen, data=name_of(data, chosen))
    if out is not None and Path(out).exists() and not force:
        raise RunError(f"{out} exists: force=True replaces it, another out goes elsewhere")
    if data is None or isinstance(data, str | Path):
        data = load_corpus(chosen.data if data is None else data)
    where = pick_device(device)
    task = new_task(chosen, data, seed, where, pick_precision(precision, where))
    with (
        tempfile.TemporaryDirectory() as passing,
        task.start(Path(out or Path(passing) / "run"), force) as folder,
    ):
        history = list(followed(task, folder, [*callbacks, *([Line(chosen)] if progress else [])]))
        result = task.finish(folder)
        if out is None:
            result.pop("run", None)
        return Trained(load(folder.path, device), history, result, Path(out) if out is not None else None)


def name_of(data: Any, recipe: Recipe) -> str:
    """What a run folder calls the data: a data set's name, a path, or `arrays`."""
    import corpora

    if data is None:
        return recipe.data
    if isinstance(data, str | Path):
        known = isinstance(data, str) and data in corpora.DATASETS
        return str(data) if known else str(Path(data).expanduser().resolve())
    return str(getattr(data.description, "name", ARRAYS))


def load_corpus(name: str | Path) -> Any:
    """A data set by name, from FFREC_DATA, the user's cache or a download; or images or a text by path."""
    import corpora

    return corpora.load(name)


def followed(
    task: Task, folder: RunFolder, callbacks: Sequence[Callable[[Event], object]]
) -> Iterator[dict[str, Any]]:
    """Train to the end and yield the record of every epoch."""
    for event in task.trainer.run(folder, task.validation):
        for callback in callbacks:
            callback(event)
        if isinstance(event, Epoch):
            yield event.record


@dataclass(frozen=True)
class Part:
    """Images and labels."""

    images: Tensor
    labels: Tensor


@dataclass(frozen=True)
class Classes:
    """The names of classes."""

    classes: tuple[str, ...]


@dataclass(frozen=True)
class Arrays:
    """A pair of arrays as a corpus: all is for training."""

    train: Part
    description: Classes
    validation: None = None
    test: None = None

    @classmethod
    def of(cls, data: tuple[Any, ...]) -> "Arrays":
        """From images and labels, integers or names; raises ConfigError."""
        if len(data) != 2:
            raise ConfigError(f"data: expected a pair of images and labels, found {len(data)} values")
        images, labels = as_images(data[0]), np.asarray(data[1])
        if labels.dtype.kind == "S":
            labels = np.char.decode(labels, "utf-8")
        if labels.shape != (len(images),):
            raise ConfigError(
                f"data: expected {len(images)} labels, one an image, found shape {labels.shape}"
            )
        names, codes = np.unique(labels, return_inverse=True)
        if labels.dtype.kind not in "iuUS" or len(names) < 2:
            raise ConfigError(
                f"data: expected integers or names as labels, of 2 classes at least, found {len(names)} of "
                f"type {labels.dtype}"
            )
        part = Part(images, torch.from_numpy(codes).long())
        return cls(part, Classes(tuple(str(name) for name in names.tolist())))

    def joined(self) -> "Arrays":
        """The same: there is no validation part to join."""
        return self

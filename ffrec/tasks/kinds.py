"""Which recipe needs which task: the one table of the kinds of data."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, TypeVar

import torch

from ffrec.config import ImageRecipe, Recipe, TextRecipe, recipe_from
from ffrec.storage.files import RunError
from ffrec.storage.run_folder import RunFolder
from ffrec.tasks.images import ImageTask, TrainedImages
from ffrec.tasks.task import Task, TrainedRun
from ffrec.tasks.text import TextTask, TrainedText

T = TypeVar("T", bound=TrainedRun)


class Kind(NamedTuple):
    """What a kind of recipe is trained by, and what it becomes."""

    task: Callable[..., Task]
    trained: type[TrainedRun]


KINDS: dict[type[Any], Kind] = {
    ImageRecipe: Kind(ImageTask, TrainedImages),
    TextRecipe: Kind(TextTask, TrainedText),
}


def new_task(
    recipe: Recipe,
    corpus: Any,
    seed: int = 0,
    device: str | torch.device = "cpu",
    precision: str = "fp32",
    plugins: Sequence[str] = (),
) -> Task:
    """The task of a recipe on a corpus; raises ConfigError if the data does not suit the recipe."""
    return KINDS[type(recipe)].task(recipe, corpus, seed, device, precision, tuple(plugins))


def check_kind(folder: RunFolder, kind: type[TrainedRun]) -> Recipe:
    """The recipe of a run; raises RunError, naming the command to use, if the run is of another kind."""
    recipe = recipe_from(folder.config.get("recipe"))
    found = KINDS[type(recipe)].trained
    if found is not kind:
        raise RunError(
            f"{folder.path} is a run on {found.on}: expected one on {kind.on}: {found.command} {folder.path}"
        )
    return recipe


def open_task(folder: RunFolder, kind: type[T], load: Callable[[Any], Any], device: torch.device) -> T:
    """The trained run of a folder; `load(recipe)` is called only for data that the folder does not hold.

    Raises RunError if the run is of another kind, has no weights, or was trained on other data.
    """
    return kind(folder, check_kind(folder, kind), load, device)

"""A task joins a recipe, its data, its trainer and its result; a trained run, a folder and its network."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, ClassVar

import torch

from ffrec.storage.run_folder import RunFolder
from ffrec.tasks import recorded
from ffrec.training.trainer import Trainer


class Task(ABC):
    """One run from its first update to its result.

    A kind of data supplies one class; `ffrec.tasks.kinds` knows which recipe needs which.
    """

    recipe: Any
    trainer: Trainer

    def __init__(self, plugins: Sequence[str] = ()) -> None:
        self.plugins = tuple(plugins)

    @property
    @abstractmethod
    def data(self) -> dict[str, Any]:
        """What the run folder records of the data: a checksum, and the names of classes or symbols."""

    @property
    @abstractmethod
    def validation(self) -> Any:
        """Held-out data as `trainer.run` takes it; None if there is none."""

    @abstractmethod
    def notes(self) -> list[str]:
        """Lines for people, before training: what of the data is not used."""

    @abstractmethod
    def finish(self, folder: RunFolder | None) -> dict[str, Any]:
        """Read the test set, once, and write `result.json` and the examples that pictures are made from; only
        the first process of a team has a folder, and returns the result."""

    @abstractmethod
    def score(self, result: dict[str, Any]) -> float:
        """One number of a result that a study maximises."""

    @staticmethod
    @abstractmethod
    def summary(result: dict[str, Any]) -> list[str]:
        """A result in a few lines for people."""

    def configuration(self) -> dict[str, Any]:
        """What the run folder records: recipe, seed, precision, data; plugins and local SGD if there are
        any."""
        plugins = {"plugins": list(self.plugins)} if self.plugins else {}
        made = recorded.configuration(self.recipe, self.trainer.seed, self.trainer.arithmetic, **self.data)
        apart = {"local_sgd": self.trainer.local_sgd} if self.trainer.local_sgd else {}
        return made | plugins | apart

    def start(self, path: Path, force: bool = False) -> RunFolder:
        """A new run folder; raises RunError if something is in the way (`force` replaces a run)."""
        folder = RunFolder.create(path, self.configuration(), force)
        try:
            self.keep(folder)
        except BaseException:
            folder.release()
            raise
        return folder

    @abstractmethod
    def keep(self, folder: RunFolder) -> None:
        """Write what the folder holds of the data beside its configuration."""

    def resume(self, folder: RunFolder | None) -> None:
        """Go back to the newest checkpoint in the first process's folder, which that one holds from now on;
        raises RunError unless it holds this very run."""
        try:
            recorded.resume(self.trainer, folder, self.configuration())
            if folder:
                self.keep(folder)  # a process may have died before it did
        except BaseException:
            if folder:
                folder.release()
            raise


class TrainedRun(ABC):
    """A trained network from a run folder, with the data of the run."""

    on: ClassVar[str]
    """What it was trained on, in words."""
    command: ClassVar[str]
    """The command that evaluates it."""
    folder: RunFolder
    recipe: Any
    network: Any

    @abstractmethod
    def __init__(
        self, folder: RunFolder, recipe: Any, load: Callable[[Any], Any], device: torch.device
    ) -> None:
        """Read weights first, then data by `load(recipe)`; raises RunError if one does not fit the other."""

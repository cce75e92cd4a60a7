"""A trained run as the commands that use one want it."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeVar

import typer

from cli.answers import note
from cli.corpus import load, refuse_folder
from cli.plugins import check_plugins, load_plugins
from corpora import Alphabet
from ffrec.storage.run_folder import RunFolder, epochs_of
from ffrec.tasks.kinds import open_task
from ffrec.tasks.stored_text import StoredText
from ffrec.tasks.task import TrainedRun
from ffrec.training.device import pick_device

T = TypeVar("T", bound=TrainedRun)


def note_unfinished(trained: TrainedRun) -> None:
    """Say, to somebody at a terminal, that a run has not been trained to its end."""
    epochs, wanted = epochs_of(trained.folder.metrics()), trained.recipe.training.epochs
    if epochs < wanted:
        note(f"{trained.folder.path} is unfinished: epoch {epochs} of {wanted}")


def open_run(
    run: Path, kind: type[T], data: Path | None, device: str, plugins: Sequence[Path] | None = None
) -> T:
    """The trained run of a folder; raises RunError, ConfigError, DataError, or typer.BadParameter for a
    --data that would be ignored."""
    folder = RunFolder.open(run)
    check_plugins(folder, load_plugins(plugins))
    where = pick_device(device)
    if data and (folder.path / StoredText.FILE).is_file():
        raise typer.BadParameter(f"--data is not read for {run}, which keeps its own strings: leave it out")

    def load_data(recipe: Any) -> Any:
        if data:
            refuse_folder(recipe.data)
        symbols = folder.config.get("symbols")
        return load(recipe, data, Alphabet.of_symbols(symbols) if symbols else None)

    return open_task(folder, kind, load_data, where)

"""From what runs hold to the tables of the docs."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import typer
from pydantic import BaseModel

from cli.answers import note
from cli.report import put_between
from cli.trained import note_unfinished, open_run
from ffrec.recipes import RECIPES
from ffrec.reports.measures.measured import Measured, measured
from ffrec.reports.summary import read
from ffrec.storage.run_folder import RunFolder
from ffrec.tasks.images import TrainedImages
from ffrec.tasks.recorded import completed, plain


def marked(name: str) -> Any:
    """The option `--into` of the command whose tables have marker lines of that name."""
    words = (
        f"Measure nothing: put what the runs hold between <!-- {name} --> and <!-- /{name} --> in this file."
    )
    return typer.Option(help=words)


def opened(
    runs: Sequence[Path], data: Path | None, device: str, plugins: Sequence[Path] | None
) -> Iterator[TrainedImages]:
    """Every run, when the one before it has been measured; a note says which one is being measured."""
    for run in runs:
        trained = open_run(run, TrainedImages, data, device, plugins)
        note_unfinished(trained)
        note(f"measuring {run} …")
        yield trained


def stored(runs: Sequence[Path], file: str, shape: type[BaseModel], command: str) -> list[Measured]:
    """What a file of every run holds, seeds of one recipe together; raises RunError if a run has none."""
    defaults = {name: plain(make()) for name, make in RECIPES.items()}
    found = [read(RunFolder.open(run), completed) for run in runs]
    return measured(found, defaults, file, shape, command)


def fill(into: Path, name: str, table: str, **given: bool) -> None:
    """Put a table between a file's marker lines; raises typer.BadParameter for options that would be ignored,
    ConfigError without those lines."""
    for option, used in given.items():
        if used:
            raise typer.BadParameter(
                f"--into puts what the runs hold into a file and measures nothing, found --{option}: leave "
                "one of them out"
            )
    put_between(into, name, table)

"""`ffrec plot`: the figures of a run and a page that holds them, or one figure of several runs."""

from pathlib import Path
from typing import Annotated

import typer

from ffrec.reports.figures import draw
from ffrec.reports.figures.canvas import save
from ffrec.reports.figures.perplexity import figure_5
from ffrec.reports.page import page
from ffrec.reports.summary import read
from ffrec.storage.files import RunError
from ffrec.storage.run_folder import RunFolder
from ffrec.studies.sleep import reached
from ffrec.studies.sleep_figure import phase_lengths
from ffrec.tasks.recorded import completed


def plot(
    runs: Annotated[
        list[Path],
        typer.Argument(help="A run folder, several of runs on a text, or a sweep's folder."),
    ],
    out: Annotated[
        Path | None,
        typer.Option(help="File for a figure of several runs; runs/figure_5.png, or in the sweep's folder."),
    ] = None,
) -> None:
    """Draw the figures of one run, and a page that holds them.

    Several runs on a text share one figure of perplexity against batches (figure 5 of Hinton 2022). A sweep's
    folder makes one figure of accuracy against the length of the phases.
    """

    if len(runs) == 1 and any(runs[0].glob("*/config.json")):  # a folder of run folders
        if not reached(runs[0]):
            raise RunError(f"{runs[0]} holds runs, but no sweep: `ffrec report {runs[0]}` draws each")
        print(save(phase_lengths(reached(runs[0])), out or runs[0] / "phase_lengths.png"))
        return
    found = [read(RunFolder.open(run), completed) for run in runs]
    if len(found) > 1:
        print(save(figure_5(found), out or Path("runs/figure_5.png")))
        return
    if out:
        raise typer.BadParameter("--out is for several runs: the figures of one run go into its folder")
    pictures = draw(found[0])
    for path in [*pictures, page(found[0], pictures)]:
        print(path)

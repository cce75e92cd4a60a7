"""`ffrec plot`: pictures of a run and a page that holds them, or one picture of several runs on a text."""

from pathlib import Path
from typing import Annotated

import typer


def plot(
    runs: Annotated[
        list[Path], typer.Argument(help="A run folder, several of character runs, or a sweep's folder.")
    ],
    out: Annotated[
        Path | None,
        typer.Option(help="File for a picture of several; runs/figure_5.png, or in the sweep's folder."),
    ] = None,
) -> None:
    """Draw a run: what it has learnt, and how. Several character runs share one picture: figure 5.

    A sweep's folder makes one of accuracy against the length of phases.
    """
    from ffrec.reports.canvas import save
    from ffrec.reports.pictures import draw, figure_5
    from ffrec.reports.pictures_sleep import phase_lengths
    from ffrec.reports.tables import page
    from ffrec.storage.checkpoint import RunFolder
    from ffrec.studies.sleep import reached

    if len(runs) == 1 and any(runs[0].glob("*/config.json")):  # a folder of run folders
        print(save(phase_lengths(reached(runs[0])), out or runs[0] / "phase_lengths.png"))
        return
    folders = [RunFolder.open(run) for run in runs]
    if len(folders) > 1:
        print(save(figure_5(folders), out or Path("runs/figure_5.png")))
        return
    if out:
        raise typer.BadParameter("--out is for several runs: the pictures of one go into its folder")
    pictures = draw(folders[0])
    for path in [*pictures, page(folders[0], pictures)]:
        print(path)

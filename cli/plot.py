"""`ffrec plot`: pictures of a run and a page that holds them, or one picture of several runs on a text."""

from pathlib import Path
from typing import Annotated

import typer


def plot(
    runs: Annotated[list[Path], typer.Argument(help="A run folder, or several of character runs.")],
    out: Annotated[
        Path | None,
        typer.Option(help="File for the picture of several runs; runs/figure_5.png if not given."),
    ] = None,
) -> None:
    """Draw a run: what it has learnt, and how. Several character runs share one picture: figure 5."""
    from ffrec.checkpoint import RunFolder
    from ffrec.pictures import draw, figure_5, save
    from ffrec.report import page

    folders = [RunFolder.open(run) for run in runs]
    if len(folders) > 1:
        print(save(figure_5(folders), out or Path("runs/figure_5.png")))
        return
    if out:
        raise typer.BadParameter("--out is for several runs: the pictures of one go into its folder")
    pictures = draw(folders[0])
    for path in [*pictures, page(folders[0], pictures)]:
        print(path)

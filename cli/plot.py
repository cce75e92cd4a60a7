"""`ffrec plot`: pictures of a run and a page that holds them, or one picture of several runs on a text."""

from pathlib import Path
from typing import Annotated

import typer


def plot(
    runs: Annotated[list[Path], typer.Argument(help="A run folder, or several of character runs.")],
    out: Annotated[Path, typer.Option(help="Where the picture of several runs goes.")] = Path(
        "runs/figure_5.png"
    ),
) -> None:
    """Draw a run: what it has learnt, and how. Several character runs share one picture: figure 5."""
    from ffrec.checkpoint import RunFolder
    from ffrec.pictures import draw, figure_5, save
    from ffrec.report import page

    folders = [RunFolder.open(run) for run in runs]
    if len(folders) > 1:
        print(save(figure_5(folders), out))
        return
    pictures = draw(folders[0])
    for path in [*pictures, page(folders[0], pictures)]:
        print(path)

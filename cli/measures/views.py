"""`ffrec views`: a trained run on several views of every image."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from cli import options
from cli.answers import print_result
from cli.measures.tables import fill, marked, opened, stored
from ffrec.reports.measures.views import FILE, Views, views_table
from ffrec.tasks.measures.views import measure

COMMAND = "ffrec views"
PIXELS = 1


def views(
    runs: Annotated[list[Path], typer.Argument(help="Run folders; seeds of one recipe share rows.")],
    pixels: Annotated[
        int | None,
        typer.Option(min=0, max=4, help=f"Largest shift, in both directions; {PIXELS} if not given."),
    ] = None,
    into: Annotated[Path | None, marked("views")] = None,
    data: options.Data = None,
    device: options.Device = "auto",
    plugin: options.Plugins = None,
    json: options.Json = False,
) -> None:
    """Measure trained image runs that see every image in several ways: as it is, shifted, and, if they
    have learnt from mirror images, mirrored.

    Goodness and log probabilities are averaged over the views. Writes views.json into each run folder, and
    prints a table of errors by the number of views.
    """
    if into:
        given = {"pixels": pixels is not None, "data": data is not None, "device": device != "auto"}
        given |= {"plugin": bool(plugin), "json": json}
        fill(into, "views", views_table(stored(runs, FILE, Views, COMMAND)), **given)
        return
    found, far = [], PIXELS if pixels is None else pixels
    for trained in opened(runs, data, device, plugin):
        if far and not trained.recipe.training.jitter:
            print(
                f"{trained.folder.path}: it has not learnt shifted images, and shifts may do harm",
                file=sys.stderr,
            )
        found.append(measure(trained, far))
        trained.folder.write_json(FILE, found[-1])
    print_result({"runs": found}, [views_table(stored(runs, FILE, Views, COMMAND))], json)

"""`ffrec layers`: what each layer of a trained run contributes."""

from pathlib import Path
from typing import Annotated

import typer

from cli import options
from cli.answers import print_result
from cli.measures.tables import fill, marked, opened, stored
from ffrec.reports.measures.layers import FILE, Layers, layers_table
from ffrec.tasks.measures.layers import measure

COMMAND = "ffrec layers"


def layers(
    runs: Annotated[list[Path], typer.Argument(help="Run folders; seeds of one recipe share rows.")],
    into: Annotated[Path | None, marked("layers")] = None,
    data: options.Data = None,
    device: options.Device = "auto",
    plugin: options.Plugins = None,
    json: options.Json = False,
) -> None:
    """Measure how well each layer of trained image runs tells labels, alone and with the layers below it.

    Writes layers.json into each run folder, and prints a table of errors by layer; a star marks the layers
    that predict.
    """
    if into:
        given = {"data": data is not None, "device": device != "auto", "plugin": bool(plugin), "json": json}
        fill(into, "layers", layers_table(stored(runs, FILE, Layers, COMMAND)), **given)
        return
    found = []
    for trained in opened(runs, data, device, plugin):
        found.append(measure(trained))
        trained.folder.write_json(FILE, found[-1])
    print_result({"runs": found}, [layers_table(stored(runs, FILE, Layers, COMMAND))], json)

"""`ffrec confidence`: how sure a trained run may be, and what it saves or refuses by that."""

from pathlib import Path
from typing import Annotated

import typer

from cli import options
from cli.answers import print_result
from cli.measures.tables import fill, marked, opened, stored
from ffrec.reports.figures.canvas import save
from ffrec.reports.figures.confidence import confidence as draw
from ffrec.reports.measures.confidence import FILE, Confidence, confidence_tables
from ffrec.reports.summary import read
from ffrec.tasks.measures.confidence import measure
from ffrec.tasks.recorded import completed

COMMAND = "ffrec confidence"


def confidence(
    runs: Annotated[list[Path], typer.Argument(help="Run folders; seeds of one recipe share a table.")],
    into: Annotated[Path | None, marked("confidence")] = None,
    data: options.Data = None,
    device: options.Device = "auto",
    plugin: options.Plugins = None,
    json: options.Json = False,
) -> None:
    """Measure how sure trained image runs may be, and what they save or refuse by that.

    Writes confidence.json and pictures/confidence.png into each run folder, and prints tables: calibration of
    the probabilities; errors where only the softmax's first labels are tried, where an image stops once its
    best label is ahead, and where the least sure images are refused.
    """
    if into:
        given = {"data": data is not None, "device": device != "auto", "plugin": bool(plugin), "json": json}
        fill(into, "confidence", confidence_tables(stored(runs, FILE, Confidence, COMMAND)), **given)
        return
    found = []
    for trained in opened(runs, data, device, plugin):
        found.append(measure(trained))
        trained.folder.write_json(FILE, found[-1])
        save(draw(read(trained.folder, completed)), trained.folder.path / "pictures" / "confidence.png")
    tables = confidence_tables(stored(runs, FILE, Confidence, COMMAND))
    print_result({"runs": found}, [tables], json)

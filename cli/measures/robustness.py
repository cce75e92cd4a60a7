"""`ffrec robustness`: trained runs on corrupted test images."""

from pathlib import Path
from typing import Annotated

import typer

from cli import options
from cli.answers import note, print_result
from cli.measures.tables import fill, marked, opened, stored
from ffrec.reports.figures.canvas import check_name, save
from ffrec.reports.figures.robustness import compared
from ffrec.reports.measures.robustness import FILE, Robustness, robustness_tables
from ffrec.tasks.measures.robustness import measure

COMMAND = "ffrec robustness"
SEVERITY, ITERATIONS = 2, 20


def robustness(
    runs: Annotated[list[Path], typer.Argument(help="Run folders; seeds of one recipe share a column.")],
    severity: Annotated[int, typer.Option(min=1, max=3, help="How strong corruptions are.")] = SEVERITY,
    iterations: Annotated[int, typer.Option(min=1, help="Of networks that iterate.")] = ITERATIONS,
    figure: Annotated[
        Path | None, typer.Option(dir_okay=False, help="Draw all runs in one picture, into this file.")
    ] = None,
    into: Annotated[Path | None, marked("robustness")] = None,
    data: options.Data = None,
    device: options.Device = "auto",
    precision: options.Precision = "fp32",
    plugin: options.Plugins = None,
    json: options.Json = False,
) -> None:
    """Measure trained image runs on test images that are corrupted in ten ways, the same for every run.

    Writes robustness.json and pictures/robustness.png into each run folder, and prints a table of errors with
    one column a recipe, and the errors by iteration of networks that iterate.
    """
    if into:
        given = {"severity": severity != SEVERITY, "iterations": iterations != ITERATIONS}
        given |= {"data": data is not None, "device": device != "auto", "precision": precision != "fp32"}
        given |= {"plugin": bool(plugin), "json": json}
        fill(into, "robustness", robustness_tables(stored(runs, FILE, Robustness, COMMAND)), **given)
    if figure:
        check_name(figure)  # before minutes of measuring
    found = []
    for trained in opened([] if into else runs, data, device, plugin):
        found.append(measure(trained, severity, iterations, precision, note))
        trained.folder.write_json(FILE, found[-1])
        run = trained.folder.path
        save(compared(stored([run], FILE, Robustness, COMMAND)), run / "pictures" / "robustness.png")
    groups = stored(runs, FILE, Robustness, COMMAND)
    if figure:
        save(compared(groups), figure)
    if not into:
        print_result({"runs": found}, [robustness_tables(groups)], json)

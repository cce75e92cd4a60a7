"""`ffrec sweep`: a grid of recipes, by as many processes as there are."""

from pathlib import Path
from typing import Annotated, Any

import typer

from cli import options
from cli.plugins import load_plugins
from cli.report import put_between, read_runs
from cli.studies.sweeping import SweepOrder, run_sweep
from ffrec.storage.files import RunError
from ffrec.studies import sleep as sleeping
from ffrec.studies import variants as rules
from ffrec.training.arithmetic import pick_precision
from ffrec.training.device import pick_device

app = typer.Typer(
    help="Sweeps: a grid of recipes, by as many processes as there are.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
)
Cure = Annotated[bool, typer.Option("--cure", help="Wake and sleep phases that are not forgotten.")]
Only = Annotated[
    list[str] | None,
    typer.Option(help="Cells to run, for example 'mnist-*' or 'digits-*'; may be repeated."),
]
Jobs = Annotated[int, typer.Option(min=1, help="Processes that work side by side.")]
Limit = Annotated[int | None, typer.Option(min=1, help="Cells to finish before stopping.")]
Seed = Annotated[int, typer.Option(min=0, max=2**32 - 1, help="Seed of every run.")]
Out = Annotated[Path | None, typer.Option(help="Folder of the sweep; runs/sweep-NAME if not given.")]
Storage = Annotated[
    str | None,
    typer.Option(metavar="URL", help="Database for the record of the sweep, in place of a journal."),
]


def folder_of(out: Path | None, cure: bool) -> Path:
    """The folder of a sweep of the sleep study; runs/sweep-sleep or runs/sweep-cure if none is given."""
    return out or Path("runs") / ("sweep-cure" if cure else "sweep-sleep")


@app.command(short_help="Run the sleep study's cells.")
def sleep(
    cure: Cure = False,
    only: Only = None,
    jobs: Jobs = 1,
    limit: Limit = None,
    set_: options.Set = None,
    seed: Seed = 0,
    device: options.Device = "auto",
    precision: options.Precision = "fp32",
    out: Out = None,
    storage: Storage = None,
    data: options.Data = None,
    plugin: options.Plugins = None,
) -> None:
    """Run the cells of the sleep study's tables that are not done yet.

    Stopped cells go on from their checkpoints. Several of these commands, also on machines that share the
    folder, work on one sweep together.
    """
    load_plugins(plugin)
    rule: sleeping.Rule = "cure" if cure else "paper"
    settings = options.parse_settings(set_ or [])
    cells = sleeping.cells(only or [], rule)
    order = SweepOrder(
        rule=rule,
        settings=settings,
        wanted={cell.name: sleeping.recipe_of(cell, rule, settings) for cell in cells},
        out=folder_of(out, cure),
        **asked(seed, device, precision, jobs, storage, data, plugin),
    )
    run_sweep(order, limit)


@app.command(short_help="Train one network by every local rule.")
def variants(
    only: Only = None,
    jobs: Jobs = 1,
    limit: Limit = None,
    set_: options.Set = None,
    seed: Seed = 0,
    device: options.Device = "auto",
    precision: options.Precision = "fp32",
    out: Out = None,
    storage: Storage = None,
    data: options.Data = None,
    plugin: options.Plugins = None,
) -> None:
    """Train the same layers by one local rule after another, and by backpropagation: what is not done yet.

    A seed has a folder of its own. Stopped cells go on from their checkpoints, and several of these commands
    work on one sweep together.
    """
    load_plugins(plugin)
    settings = options.parse_settings(set_ or [])
    order = SweepOrder(
        rule="variants",
        settings=settings,
        wanted=rules.chosen(only or [], settings),
        out=out or Path("runs/sweep-variants"),
        **asked(seed, device, precision, jobs, storage, data, plugin),
    )
    run_sweep(order, limit)


def asked(
    seed: int,
    device: str,
    precision: str,
    jobs: int,
    storage: str | None,
    data: Path | None,
    plugin: list[Path] | None,
) -> dict[str, Any]:
    """How a sweep is run, whatever its cells are."""
    return {
        "seed": seed,
        "device": device,
        "precision": pick_precision(precision, pick_device(device)),
        "jobs": jobs,
        "storage": storage,
        "data": data,
        "plugins": tuple(plugin or ()),
    }


@app.command(short_help="Print the tables of a sweep.")
def show(
    folders: Annotated[
        list[Path] | None, typer.Argument(help="Folders of a sweep, one a seed; runs/sweep-sleep if none.")
    ] = None,
    cure: Cure = False,
    into: Annotated[
        Path | None,
        typer.Option(
            help="Put them between <!-- NAME --> and <!-- /NAME --> of this file, the first folder's name."
        ),
    ] = None,
) -> None:
    """Print the tables of a sweep from its run folders: the sleep study's with our test accuracy and the
    paper's in brackets, the variants' with test errors."""
    if cure and folders:
        raise typer.BadParameter("--cure names the folder runs/sweep-cure: give it or folders")
    paths = folders or [folder_of(None, cure)]
    found = {cell: right for path in paths for cell, right in sleeping.reached(path).items()}
    runs = (run for path in paths if path.is_dir() for run in read_runs(path))
    parts = [sleeping.tables(found), rules.variants_table(runs)]
    shown = "\n\n".join(part for part in parts if part)
    if not shown:
        raise RunError(
            f"{paths[0]}: expected finished runs of a sweep, found none: run `ffrec sweep sleep` or "
            "`ffrec sweep variants` first"
        )
    if into:
        put_between(into, paths[0].name, shown)
    else:
        print(shown)

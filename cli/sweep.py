"""`ffrec sweep`: the grid of the sleep study, by as many processes as there are."""

import contextlib
import multiprocessing
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cli import errors, options
from cli.corpus import EMBEDDED, load, refuse_folder
from cli.plugins import load_plugins
from cli.progress import TrainingBar
from cli.report import put_between
from cli.studies.workers import Order, say_dropped, share_out
from ffrec.storage.files import RunError
from ffrec.studies.sleep import Cell, Rule, cells, reached, recipe_of, tables
from ffrec.tasks.kinds import new_task
from ffrec.training.arithmetic import pick_precision
from ffrec.training.device import pick_device
from ffrec.training.trainer import Diverged, Interrupted

if TYPE_CHECKING:
    from ffrec.studies.sweep import Claim, Sweep

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None)
Cure = Annotated[bool, typer.Option("--cure", help="Wake and sleep phases that are not forgotten.")]


@dataclass(frozen=True, kw_only=True)
class SweepOrder(Order):
    """What every process of a sweep works on, and how."""

    rule: Rule
    settings: dict[str, Any]
    wanted: list[Cell]

    def sweep(self) -> "Sweep":
        """The sweep in the folder; raises typer.BadParameter if the extra is not installed."""
        try:
            from ffrec.studies.sweep import Sweep
        except ImportError:
            raise typer.BadParameter(options.needs_extra("sweep")) from None
        return Sweep(self.out, self.rule, self.seed, self.settings, self.precision, self.storage)


def folder_of(out: Path | None, cure: bool) -> Path:
    """The folder of a sweep; runs/sweep-sleep or runs/sweep-cure if none is given."""
    return out or Path("runs") / ("sweep-cure" if cure else "sweep-sleep")


@app.command()
def sleep(
    cure: Cure = False,
    only: Annotated[
        list[str] | None,
        typer.Option(help="Cells to run, for example 'mnist-uniform-*' or 'digits-*'; may be repeated."),
    ] = None,
    jobs: Annotated[int, typer.Option(min=1, help="Processes that work side by side.")] = 1,
    limit: Annotated[int | None, typer.Option(min=1, help="Cells to finish before stopping.")] = None,
    set_: options.Set = None,
    seed: Annotated[int, typer.Option(min=0, max=2**32 - 1, help="Seed of every run.")] = 0,
    device: options.Device = "auto",
    precision: options.Precision = "fp32",
    out: Annotated[
        Path | None, typer.Option(help="Folder of the sweep; runs/sweep-sleep if not given.")
    ] = None,
    storage: Annotated[
        str | None,
        typer.Option(metavar="URL", help="Database for the record of the sweep, in place of a journal."),
    ] = None,
    data: options.Data = None,
    plugin: options.Plugins = None,
) -> None:
    """Run the cells of the sleep study's tables that are not done yet.

    Stopped cells go on from their checkpoints. Several of these commands, also on machines that share the
    folder, work on one sweep together.
    """
    load_plugins(plugin)
    rule: Rule = "cure" if cure else "paper"
    settings = options.parse_settings(set_ or [])
    wanted = cells(only or [], rule)
    recipes = [recipe_of(cell, rule, settings) for cell in wanted]  # a wrong setting is found out now
    if data and all(recipe.data in EMBEDDED for recipe in recipes):
        refuse_folder(recipes[0].data)
    arithmetic = pick_precision(precision, pick_device(device))
    path, plugins = folder_of(out, cure), tuple(plugin or ())
    order = SweepOrder(
        out=path,
        seed=seed,
        data=data,
        device=device,
        precision=arithmetic,
        jobs=jobs,
        plugins=plugins,
        storage=storage,
        rule=rule,
        settings=settings,
        wanted=wanted,
    )
    sweep = order.sweep()
    say_dropped(sweep)
    sweep.check(wanted)
    before = set(sweep.done())
    left = multiprocessing.get_context("spawn").Value("i", len(wanted) if limit is None else limit)
    codes = share_out(order, partial(work, order, left))
    done = {cell.name for cell in wanted} & sweep.done().keys()
    print(f"{len(done)} of {len(wanted)} cells done, {len(done - before)} now: `ffrec sweep show {path}`")
    left_alone = sweep.diverged()
    if diverged := [cell.name for cell in wanted if cell.name in left_alone]:
        print(f"diverged: {', '.join(diverged)}; remove a cell's folder to try it again", file=sys.stderr)
    if code := max([*codes, errors.FAILED if diverged else errors.DONE]):
        raise typer.Exit(code)


def work(order: SweepOrder, left: Any, stop: Callable[[], bool]) -> None:
    """Take one cell after another until none is left, `left` is used up, or `stop` says so."""
    sweep = order.sweep()
    while not stop():
        with left.get_lock():
            if left.value < 1:
                return
            left.value -= 1
        claim: Claim | None = None
        try:
            with sweep.claim(order.wanted) as claim:
                if claim is None:
                    return
                try:
                    run_cell(order, claim, stop)
                except Diverged as error:
                    claim.diverged = True
                    print(f"{claim.cell.name}: {error}", file=sys.stderr)
        finally:
            if claim is None or claim.value is None:  # somebody else may have this turn
                with left.get_lock():
                    left.value += 1


def run_cell(order: SweepOrder, claim: "Claim", stop: Callable[[], bool]) -> None:
    """Train the claimed cell, from its checkpoint if it has one, and read the test set, once."""
    from ffrec.studies.shared import begun  # needs the extra

    start = time.perf_counter()
    chosen = recipe_of(claim.cell, order.rule, order.settings)
    corpus, where = load(chosen, order.data), pick_device(order.device)
    task = new_task(chosen, corpus, order.seed, where, order.precision, order.plugin_names)
    folder = begun(task, claim.path)
    print(f"{claim.cell.name}: from update {task.trainer.updates} on", flush=True)
    bar = TrainingBar(task.trainer) if order.jobs == 1 else None
    with folder, bar or contextlib.nullcontext():
        for event in task.trainer.run(folder, task.validation, stop):
            if bar:
                bar.show(event)
            if isinstance(event, Interrupted):
                print(f"{claim.cell.name}: stopped after update {event.step}", file=sys.stderr)
                return
        claim.value = task.score(task.finish(folder))
    print(f"{claim.cell.name}: {claim.value:.1f} % right, {time.perf_counter() - start:.0f} s", flush=True)


@app.command()
def show(
    folder: Annotated[
        Path | None, typer.Argument(help="Folder of a sweep; runs/sweep-sleep if not given.")
    ] = None,
    cure: Cure = False,
    into: Annotated[
        Path | None,
        typer.Option(
            help="Put them between <!-- NAME --> and <!-- /NAME --> of this file, the folder's name."
        ),
    ] = None,
) -> None:
    """Print the paper's tables with our test accuracy, and the paper's in brackets, from the run folders."""
    path = folder_of(folder, cure)
    found = reached(path)
    if not found:
        command = f"ffrec sweep sleep{' --cure' if cure else ''}"
        raise RunError(f"{path}: expected finished runs of a sweep, found none: run `{command}` first")
    if into:
        put_between(into, path.name, tables(found))
    else:
        print(tables(found))

"""The work of a sweep: whoever has the time takes the next cell."""

import contextlib
import multiprocessing
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import typer

from cli import errors, options
from cli.corpus import EMBEDDED, load, refuse_folder
from cli.progress import TrainingBar
from cli.studies.workers import Order, say_dropped, share_out
from ffrec.config import ImageRecipe
from ffrec.tasks.kinds import new_task
from ffrec.training.device import pick_device
from ffrec.training.events import Diverged, Interrupted

if TYPE_CHECKING:
    from ffrec.studies.sweep import Claim, Sweep


@dataclass(frozen=True, kw_only=True)
class SweepOrder(Order):
    """What every process of a sweep works on, and how."""

    rule: str
    """The grid that the cells are of."""
    settings: dict[str, Any]
    wanted: Mapping[str, ImageRecipe]
    """The recipe of every cell, by the cell's name."""

    def sweep(self) -> "Sweep":
        """The sweep in the folder; raises typer.BadParameter if the extra is not installed."""
        try:
            from ffrec.studies.sweep import Sweep
        except ImportError:
            raise typer.BadParameter(options.needs_extra("sweep")) from None
        return Sweep(self.out, self.rule, self.seed, self.settings, self.precision, self.storage)


def run_sweep(order: SweepOrder, limit: int | None) -> None:
    """Run the wanted cells that are not done yet, at most `limit` of them, and say how many are.

    Raises typer.Exit if a process failed or a cell diverged.
    """
    wanted = order.wanted
    if order.data and all(recipe.data in EMBEDDED for recipe in wanted.values()):
        refuse_folder(next(iter(wanted.values())).data)
    sweep = order.sweep()
    say_dropped(sweep)
    sweep.check(wanted)
    before = set(sweep.done())
    left = multiprocessing.get_context("spawn").Value("i", len(wanted) if limit is None else limit)
    codes = share_out(order, partial(work, order, left))
    done = wanted.keys() & sweep.done().keys()
    shown = f"`ffrec sweep show {order.out}`"
    print(f"{len(done)} of {len(wanted)} cells done, {len(done - before)} now: {shown}")
    left_alone = sweep.diverged()
    if diverged := [name for name in wanted if name in left_alone]:
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
                    print(f"{claim.cell}: {error}", file=sys.stderr)
        finally:
            if claim is None or claim.value is None:  # somebody else may have this turn
                with left.get_lock():
                    left.value += 1


def run_cell(order: SweepOrder, claim: "Claim", stop: Callable[[], bool]) -> None:
    """Train the claimed cell, from its checkpoint if it has one, and read the test set, once."""
    from ffrec.studies.shared import begun  # needs the extra

    start = time.perf_counter()
    chosen = order.wanted[claim.cell]
    corpus, where = load(chosen, order.data), pick_device(order.device)
    task = new_task(chosen, corpus, order.seed, where, order.precision, order.plugin_names)
    folder = begun(task, claim.path)
    print(f"{claim.cell}: from update {task.trainer.updates} on", flush=True)
    bar = TrainingBar(task.trainer) if order.jobs == 1 else None
    with folder, bar or contextlib.nullcontext():
        for event in task.trainer.run(folder, task.validation, stop):
            if bar:
                bar.show(event)
            if isinstance(event, Interrupted):
                print(f"{claim.cell}: stopped after update {event.step}", file=sys.stderr)
                return
        claim.value = task.score(task.finish(folder))
    print(f"{claim.cell}: {claim.value:.1f} % right, {time.perf_counter() - start:.0f} s", flush=True)

"""What a process of `ffrec tune` does: one run after another, until the search has come to its end."""

import contextlib
import math
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
import typer

from cli import options
from cli.corpus import load
from cli.progress import TrainingBar
from cli.studies.workers import Order
from ffrec.config import ConfigError, Recipe
from ffrec.storage.run_folder import RunFolder
from ffrec.tasks.kinds import new_task
from ffrec.tasks.stored_text import StoredText
from ffrec.training.device import pick_device
from ffrec.training.events import Diverged, Epoch, Interrupted

if TYPE_CHECKING:
    from ffrec.studies.tune.job import Ended, Job
    from ffrec.studies.tune.search import Plan, Search
    from ffrec.studies.tune.space import Space
    from ffrec.studies.tune.untested import Untested

PAUSE = 1.0  # seconds between two looks for work while others are at work


@dataclass(frozen=True, kw_only=True)
class SearchOrder(Order):
    """What every process of a search works on, and how."""

    recipe: Recipe
    space: "Space"
    plan: "Plan"

    def search(self) -> "Search":
        """The search in the folder."""
        from ffrec.studies.tune.search import Search

        return Search(
            self.out,
            self.recipe,
            self.space,
            self.plan,
            self.seed,
            self.precision,
            self.storage,
            self.plugin_names,
        )

    def corpus(self) -> "Untested":
        """The data, without its test part."""
        from ffrec.studies.tune.untested import untested

        return untested(self.recipe, load(self.recipe, self.data))


def needs_optuna() -> None:
    """Raise typer.BadParameter if the extra is not installed."""
    try:
        import ffrec.studies.tune.search  # noqa: F401
    except ImportError:
        raise typer.BadParameter(options.needs_extra("sweep")) from None


def work(order: SearchOrder, stop: Callable[[], bool]) -> None:
    """Take one run after another until there is none left, or `stop` says so.

    While other processes have the last ones, it waits: what they leave, or what comes next, is for all.
    """
    search, corpus = order.search(), order.corpus()
    with search.locked():
        search.keep({"data": corpus.fingerprint})
    while not stop():
        with search.claim() as job:
            if job is None and not search.busy:
                return
            if job:
                job.ended = ended(order, job, corpus, stop)
                if job.ended:
                    print(f"{job.name}: {in_words(job.ended)}", flush=True)
        if job is None:
            time.sleep(PAUSE)


def ended(order: SearchOrder, job: "Job", corpus: "Untested", stop: Callable[[], bool]) -> "Ended | None":
    """How a run ended, also where it cannot be; None if it was stopped."""
    from ffrec.studies.tune.job import Ended

    chosen = ", ".join(f"{name} = {value}" for name, value in job.settings.items())
    print(f"{job.name}: {chosen}", flush=True)
    try:
        return train(order, job, corpus, stop)
    except (ConfigError, Diverged, torch.OutOfMemoryError) as error:
        return Ended(None, *spent(RunFolder(job.path)), "", " ".join(str(error).split()))


def train(order: SearchOrder, job: "Job", corpus: "Untested", stop: Callable[[], bool]) -> "Ended | None":
    """Train from the last checkpoint, if there is one, to the last validation; or until the pruner says that
    it is not worth going on, or `stop` says so."""
    from ffrec.studies.shared import begun
    from ffrec.studies.tune.job import Ended, measured

    where = pick_device(order.device)
    task = new_task(job.recipe, corpus, job.seed, where, order.precision, order.plugin_names)
    folder = begun(task, job.path)
    (job.path / StoredText.FILE).unlink(missing_ok=True)  # it lacks the test strings, which the text has
    bar, reason = TrainingBar(task.trainer) if order.jobs == 1 else None, ""
    with folder, bar or contextlib.nullcontext():
        for event in task.trainer.run(folder, task.validation, stop):
            if bar:
                bar.show(event)
            if isinstance(event, Interrupted):
                print(f"{job.name}: stopped after update {event.step}", file=sys.stderr)
                return None
            if isinstance(event, Epoch) and "validation" in event.record and job.hopeless(event.record):
                reason = f"pruned after epoch {event.record['epoch']}"
                break
    measure, value = measured(folder.metrics()[-1])
    if not math.isfinite(value):
        reason = f"its validation {measure} is not a finite number"
    return Ended(None if reason else value, *spent(folder), measure, reason)


def spent(folder: RunFolder) -> tuple[int, float]:
    """Epochs, and the seconds they took."""
    records = folder.metrics()
    return len(records), sum(record["seconds"] for record in records)


def in_words(ended: "Ended") -> str:
    """How a run ended, in a few words."""
    unit = "" if ended.measure == "perplexity" else " %"
    found = ended.reason if ended.value is None else f"validation {ended.measure} {ended.value:.2f}{unit}"
    return f"{found}, {ended.seconds:.0f} s"

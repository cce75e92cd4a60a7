"""How the processes of one run begin it together: each with a part of every batch, or of the layers."""

import contextlib
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
import typer

from ffrec.config import ImageRecipe, Recipe
from ffrec.parallel.team import Team, launched, restarts
from ffrec.pipeline.follower import Follower
from ffrec.pipeline.leader import Leader
from ffrec.pipeline.task import PipelineTask, check
from ffrec.storage.environment import launch
from ffrec.storage.lock import check_unlocked
from ffrec.storage.run_folder import RunFolder
from ffrec.tasks.task import Task
from ffrec.training.arithmetic import pick_precision

PIPELINE = "torchrun --standalone --nproc-per-node 2 -m cli train unsupervised-mnist --pipeline"


def read_in_turn(team: Team, load: Callable[[], Any]) -> Any:
    """Data as `load` returns it; the first process reads, and may download, before the others."""
    found: list[Any] = []
    team.lead(lambda: found.append(load()))
    return found[0] if found else load()


def refuse_alone(sync_every: int, outer_momentum: float) -> None:
    """Raise typer.BadParameter for options of several processes that would be ignored."""
    if (sync_every > 1 or outer_momentum) and not launched():
        raise typer.BadParameter("--sync-every and --outer-momentum are for several processes: use torchrun")
    if outer_momentum and sync_every == 1:
        raise typer.BadParameter("--outer-momentum expects --sync-every of 2 or more, found 1: give both")


def refuse_one(team: Team, sync_every: int) -> None:
    """Raise typer.BadParameter where a single process would ignore how often processes average."""
    if team.world == 1 and sync_every > 1:
        raise typer.BadParameter("--sync-every is for several processes, found one: use --nproc-per-node 2")


def continues(path: Path, resume: bool, force: bool) -> bool:
    """Whether there is a run to go on with: any if asked to resume, and after a restart by torchrun what this
    very launch began. Raises RunError if something is in the way of a new one."""
    if resume and force:
        raise typer.BadParameter("--resume goes on with a run, --force replaces it: give one of them")
    check_unlocked(path)
    if path.exists() and not RunFolder.unbegun(path) and (resume or (restarts() and began(path))):
        RunFolder.open(path)
        return True
    RunFolder.check_free(path, force)
    return False


def began(path: Path) -> bool:
    """Whether this launch of torchrun, before it started again, began the run in a folder."""
    made_by = RunFolder.open(path).environment
    return made_by.get("launch") == launch()


def arithmetic_of(path: Path | None, precision: str, device: torch.device) -> str:
    """What --precision stands for; auto, in a run that goes on, for what that run has: another machine may
    have begun it."""
    if path and precision == "auto" and "precision" in (held := RunFolder.open(path).config):
        return str(held["precision"])
    return pick_precision(precision, device)


def begin(task: Task, path: Path, goes_on: bool, force: bool) -> RunFolder | None:
    """The run folder, for the first process alone; all go back to its checkpoint, if there is one."""
    team, made = task.trainer.team, []
    team.lead(lambda: made.append(RunFolder.open(path) if goes_on else task.start(path, force)))
    folder = made[0] if made else None
    if goes_on:
        task.resume(folder)
    return folder


def stage_of(recipe: Recipe, *arguments: Any) -> PipelineTask:
    """This process's part of a run; takes what `PipelineTask` takes, of a recipe that is not refused."""
    assert isinstance(recipe, ImageRecipe)  # for the type checker: others are refused
    return PipelineTask(recipe, *arguments)


def refuse_pipeline(recipe: Recipe, team: Team, sync_every: int) -> None:
    """Raise typer.BadParameter without torchrun, or for options that would be ignored; ConfigError for a
    recipe that knows no pipeline."""
    if not launched():
        raise typer.BadParameter(f"--pipeline expects processes that torchrun started, found one: {PIPELINE}")
    if sync_every > 1:
        raise typer.BadParameter("--sync-every averages weights, of which a pipeline has one: leave it out")
    check(recipe, team.world)


def leading(task: Task) -> contextlib.AbstractContextManager[object]:
    """While entered, the other stages are led, if there are any."""
    return task.trainer if isinstance(task.trainer, Leader) else contextlib.nullcontext()


def followed(task: Task) -> bool:
    """Whether this process is a stage that another one leads; it has then been led to the end of the run.

    Signals are for the first process: it stops all others. Raises typer.Exit as that one did.
    """
    if not isinstance(task.trainer, Follower):
        return False
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    if code := task.trainer.serve():
        raise typer.Exit(code)
    return True

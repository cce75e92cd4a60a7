"""`ffrec train --pipeline`: this process has some hidden layers, other processes have the others."""

import contextlib
import signal
from typing import Any

import typer

from ffrec.config import ImageRecipe, Recipe
from ffrec.parallel.team import Team, launched
from ffrec.pipeline.follower import Follower
from ffrec.pipeline.leader import Leader
from ffrec.pipeline.task import PipelineTask, check
from ffrec.tasks.task import Task

HOW = "torchrun --standalone --nproc-per-node 2 -m cli train unsupervised-mnist --pipeline"


def task_of(recipe: Recipe, *arguments: Any) -> PipelineTask:
    """This process's part of a run; takes what `PipelineTask` takes, of a recipe that is not refused."""
    assert isinstance(recipe, ImageRecipe)  # for the type checker: others are refused
    return PipelineTask(recipe, *arguments)


def refuse(recipe: Recipe, team: Team, sync_every: int) -> None:
    """Raise typer.BadParameter without torchrun, or for options that would be ignored; ConfigError for a
    recipe that knows no pipeline."""
    if not launched():
        raise typer.BadParameter(f"--pipeline expects processes that torchrun started, found one: {HOW}")
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

"""`ffrec train --pipeline`: this process has some hidden layers, other processes have the others."""

import contextlib
import os
import signal
from collections.abc import Callable
from typing import Any, NamedTuple

import torch
import typer

from ffrec.config import ConfigError, Recipe
from ffrec.pipeline.follower import Follower
from ffrec.pipeline.leader import Leader
from ffrec.pipeline.link import Store, agree, connect
from ffrec.pipeline.task import PipelineTask, check
from ffrec.tasks.task import Task

HOW = "torchrun --standalone --nproc-per-node 2 -m cli train unsupervised-mnist --pipeline"


class Place(NamedTuple):
    """Where this process is in the pipeline."""

    store: Store
    device: torch.device
    first: bool


def join(recipe: Recipe, device: torch.device) -> Place:
    """Meet the other processes; raises typer.BadParameter if torchrun did not start this one, and ConfigError
    for a recipe or a device that knows no pipeline."""
    if "TORCHELASTIC_RUN_ID" not in os.environ:
        raise typer.BadParameter(f"--pipeline expects processes that torchrun started, found one: {HOW}")
    check(recipe, int(os.environ["WORLD_SIZE"]))
    if device.type not in ("cpu", "cuda"):
        raise ConfigError(f"--pipeline: expected --device cpu or cuda, found {device.type}: choose one")
    if device.type == "cuda":
        device = torch.device("cuda", int(os.environ["LOCAL_RANK"]))
    return Place(connect(device), device, int(os.environ["RANK"]) == 0)


def lead(place: Place, recipe: Any, corpus: Any, seed: int, arithmetic: str, plugins: Any) -> PipelineTask:
    """The task of the first stage, once the data is here: the others then read it, too."""
    agree(arithmetic)
    return PipelineTask(place.store, recipe, corpus, seed, place.device, arithmetic, plugins)


def serve(place: Place, recipe: Any, load: Callable[[], Any], seed: int, plugins: Any) -> None:
    """Be a stage that the first one leads. Signals are for that one: it stops all others."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    arithmetic = agree(None)
    task = PipelineTask(place.store, recipe, load(), seed, place.device, arithmetic, plugins)
    assert isinstance(task.trainer, Follower)  # for the type checker: this is not the first stage
    task.trainer.serve()


def leading(task: Task) -> contextlib.AbstractContextManager[object]:
    """While entered, the other stages are led, if there are any."""
    return task.trainer if isinstance(task.trainer, Leader) else contextlib.nullcontext()

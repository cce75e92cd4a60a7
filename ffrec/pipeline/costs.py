"""What each hidden level costs, timed on this machine."""

import copy
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from ffrec.learning.update import Step
from ffrec.networks.feedforward import FeedForward
from ffrec.networks.network import Encoding
from ffrec.pipeline.plan import partition
from ffrec.training.arithmetic import computing
from ffrec.training.optimiser import make_optimiser

if TYPE_CHECKING:
    from ffrec.pipeline.trainer import StageTrainer

TIMED = 4  # updates; the first warms up, and the fastest of the others counts


def seconds(work: Callable[[], object], device: torch.device) -> float:
    """How long something takes, at its fastest; on a CPU the processor's time, which others' work hardly
    changes."""
    clock, found = time.process_time if device.type == "cpu" else time.perf_counter, []
    for _ in range(TIMED):
        start = clock()
        work()
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        found.append(clock() - start)
    return min(found[1:])


def measured_plan(trainer: "StageTrainer", stages: int) -> list[range]:
    """The plan whose slowest stage is fastest, by the time that each level takes for an update here.

    A copy of the network is updated, and chance belongs to updates: training does not notice.
    """
    network: FeedForward = copy.deepcopy(trainer.network)
    optimiser = make_optimiser(network.layers, network.readout, trainer.recipe.training)
    index = torch.arange(min(trainer.recipe.training.batch, trainer.cases), device=trainer.device)
    trainer.draws.begin(0, len(index))
    with torch.no_grad(), computing(network, trainer.arithmetic, trainer.device):
        before = seconds(lambda: trainer.rows(index), trainer.device)
        rows = trainer.rows(index)
        labels = trainer.labels[index]
        costs = []
        for level in trainer.network.levels:
            work = level_update(trainer, network, optimiser, level, rows, labels)
            costs.append(seconds(work, trainer.device))
        after = seconds(softmax_update(network, optimiser, labels), trainer.device)
    return partition(costs, stages, before, after)


def level_update(
    trainer: "StageTrainer",
    network: FeedForward,
    optimiser: torch.optim.Optimizer,
    level: int,
    rows: Tensor,
    labels: Tensor,
) -> Callable[[], None]:
    """One level's part of an update, with its passes, its gradients and its optimiser."""
    alone, count = copy.copy(network), trainer.tried("both")
    alone.levels = range(level, level + 1)
    shown = labels.unsqueeze(1).expand(-1, count)
    target = trainer.target(labels, count, "both")
    units = (0, *network.config.hidden)[level - 1]
    sent = torch.ones(len(rows), count, units, device=rows.device, dtype=network.dtype)

    def work() -> None:
        if level == 1:
            encoding = alone.encode(rows)
            step: Step = next(alone.steps(encoding, shown))
        else:
            if network.labelled:
                alone.climb({str(level - 1): sent[:, :1].contiguous()})
            step = alone.climb({str(level - 1): sent})
        for other in network.levels:
            network.layer(other).zero_grad(set_to_none=other != level)
        network.readout.zero_grad()
        alone.learn(Encoding(sent, {}, step), None, target)
        optimiser.step()
        network.recast()

    return work


def softmax_update(
    network: FeedForward, optimiser: torch.optim.Optimizer, labels: Tensor
) -> Callable[[], None]:
    """The softmax's part of an update."""
    features = torch.ones(len(labels), len(network.readout.weight), device=labels.device, dtype=network.dtype)

    def work() -> None:
        for level in network.levels:
            network.layer(level).zero_grad(set_to_none=True)
        network.readout.learn(features, network.readout(features), labels)
        optimiser.step()
        network.recast()

    return work

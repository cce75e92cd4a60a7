"""Optimisers and learning-rate schedules: torch's own, chosen by name."""

import inspect
import math
from collections.abc import Callable

import torch
from torch import nn

from ffrec.config import ConfigError, OptimiserConfig

SCHEDULES: dict[str, Callable[[float], float]] = {
    "constant": lambda _done: 1.0,
    "half-linear": lambda done: min(1.0, 2 * (1 - done)),
    "linear": lambda done: 1 - done,
    "cosine": lambda done: 0.5 * (1 + math.cos(math.pi * done)),
}


UNFIT = (torch.optim.Optimizer, torch.optim.LBFGS, torch.optim.SparseAdam)


def make_optimiser(layers: nn.Module, readout: nn.Module, training: OptimiserConfig) -> torch.optim.Optimizer:
    """The recipe's torch.optim optimiser, with weight decay on weights only; raises ConfigError."""
    kind = getattr(torch.optim, training.optimiser, None)
    if not (isinstance(kind, type) and issubclass(kind, torch.optim.Optimizer)) or kind in UNFIT:
        raise ConfigError(
            f"optimiser: expected a class of torch.optim that steps by dense gradients, "
            f"found {training.optimiser!r}"
        )
    groups = []
    decay_of_softmax = training.softmax_weight_decay
    if decay_of_softmax is None:
        decay_of_softmax = training.weight_decay
    for learns, module, rate, weight_decay in (
        ("FF", layers, training.rate, training.weight_decay),
        ("softmax", readout, training.softmax_rate, decay_of_softmax),
    ):
        named = list(module.named_parameters())
        for bias, decay in ((False, weight_decay), (True, 0.0)):
            parameters = [p for name, p in named if name.endswith("bias") == bias]
            groups.append({"params": parameters, "lr": rate, "weight_decay": decay, "learns": learns})
    options = dict(training.optimiser_options)
    if "fused" in inspect.signature(kind).parameters and "foreach" not in options:
        options.setdefault("fused", True)  # one pass over the weights: several times as fast on a CPU
    try:
        return kind(groups, **options)
    except (TypeError, ValueError) as error:
        raise ConfigError(f"optimiser_options: torch.optim.{training.optimiser} says: {error}") from None


def make_scheduler(
    optimiser: torch.optim.Optimizer, training: OptimiserConfig, steps: int
) -> torch.optim.lr_scheduler.LRScheduler:
    """The recipe's learning-rate schedule, advanced once an update; raises ConfigError."""
    if training.schedule in SCHEDULES:
        shape = SCHEDULES[training.schedule]
        return torch.optim.lr_scheduler.LambdaLR(optimiser, lambda step: shape(min(step / steps, 1.0)))
    kind = getattr(torch.optim.lr_scheduler, training.schedule, None)
    if (
        not (isinstance(kind, type) and issubclass(kind, torch.optim.lr_scheduler.LRScheduler))
        or "metrics" in inspect.signature(kind.step).parameters
    ):
        raise ConfigError(
            f"schedule: expected {', '.join(SCHEDULES)} or a class of torch.optim.lr_scheduler that needs no "
            f"metric, found {training.schedule!r}"
        )
    try:
        return kind(optimiser, **training.schedule_options)
    except (TypeError, ValueError) as error:
        raise ConfigError(f"schedule_options: {training.schedule} says: {error}") from None

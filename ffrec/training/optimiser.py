"""Optimisers and learning-rate schedules: optimisers are torch's own, chosen by name."""

import inspect
import math
from collections.abc import Callable

import torch
from torch import nn

from ffrec.config import ConfigError, OptimiserConfig
from ffrec.parallel.sharing import ALONE, Sharing
from ffrec.registry import register

RateSchedule = Callable[[float], float]
"""From the share of the updates that is done, 0 to 1, to a factor of the learning rates."""


@register("rate schedule", "constant")
def constant(_done: float) -> float:
    """1."""
    return 1.0


@register("rate schedule", "half-linear")
def half_linear(done: float) -> float:
    """1 for half of the updates, then linearly to 0."""
    return min(1.0, 2 * (1 - done))


@register("rate schedule", "linear")
def linear(done: float) -> float:
    """From 1 linearly to 0."""
    return 1 - done


@register("rate schedule", "cosine")
def cosine(done: float) -> float:
    """From 1 to 0 along half a cosine."""
    return 0.5 * (1 + math.cos(math.pi * done))


UNFIT = (torch.optim.Optimizer, torch.optim.LBFGS, torch.optim.SparseAdam)


def make_optimiser(
    layers: nn.Module, readout: nn.Module, training: OptimiserConfig, sharing: Sharing = ALONE
) -> torch.optim.Optimizer:
    """The recipe's torch.optim optimiser of what this process steps, with weight decay on weights only;
    raises ConfigError."""
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
            parameters = [sharing.own(p) for name, p in named if name.endswith("bias") == bias]
            groups.append(
                {
                    "params": parameters,
                    "lr": rate,
                    "initial_lr": rate,
                    "weight_decay": decay,
                    "learns": learns,
                }
            )
    options = dict(training.optimiser_options)
    if "fused" in inspect.signature(kind).parameters and "foreach" not in options:
        options.setdefault("fused", True)  # one pass over the weights: several times as fast on a CPU
    try:
        return kind(groups, **options)
    except (TypeError, ValueError) as error:
        raise ConfigError(f"optimiser_options: torch.optim.{training.optimiser} says: {error}") from None


def set_rates(optimiser: torch.optim.Optimizer, factor: float, wake_share: float = 1.0) -> None:
    """Give every group its own first rate times a factor; hidden layers a share of that in wake phases."""
    for group in optimiser.param_groups:
        share = wake_share if group["learns"] == "FF" else 1.0
        group["lr"] = group["initial_lr"] * factor * share

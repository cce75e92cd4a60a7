"""Optimisers and learning-rate schedules: optimisers are torch's own, chosen by name."""

import inspect
import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

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


SIDE = 4  # of the weights that an optimiser is tried with
UNFIT = (torch.optim.Optimizer, torch.optim.LBFGS, torch.optim.SparseAdam)


def make_optimiser(
    layers: nn.Module, readout: nn.Module, training: OptimiserConfig, sharing: Sharing = ALONE
) -> torch.optim.Optimizer:
    """The recipe's torch.optim optimiser of what this process steps, with weight decay on weights only;
    raises ConfigError.

    On a CUDA device its rates, which `set_rates` fills in, and its counts lie there too, if they can
    (`capturable`).
    """
    kind, groups = optimiser_class(training.optimiser), []
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
    device = next(readout.parameters()).device
    options = options_for(kind, training, device)
    if device.type == "cuda" and capturable(kind):
        for group in groups:
            group["lr"] = torch.full((), 0.0, device=device)
    rehearse(training, device)
    try:
        return kind(groups, **options)
    except Exception as error:
        raise refusal(training, error) from None


def rehearse(training: OptimiserConfig, device: torch.device) -> int:
    """Take one step with weights of our own, since some options fail only there; returns how many numbers
    the optimiser keeps for each weight. Raises ConfigError."""
    kind = optimiser_class(training.optimiser)
    weight = torch.zeros(SIDE, SIDE, device=device)
    weight.grad = torch.zeros_like(weight)
    try:
        optimiser = kind([weight], **options_for(kind, training, device))
        optimiser.step()
    except Exception as error:  # options of any kind reach code that does not expect them
        raise refusal(training, error) from None
    kept = (value for value in optimiser.state[weight].values() if isinstance(value, Tensor))
    return sum(value.numel() == weight.numel() for value in kept)


def refusal(training: OptimiserConfig, error: Exception) -> ConfigError:
    """What to say of options that torch refuses."""
    says = str(error) or type(error).__name__
    return ConfigError(f"optimiser_options: torch.optim.{training.optimiser} says: {says}")


def optimiser_class(name: str) -> type[torch.optim.Optimizer]:
    """The class of torch.optim; raises ConfigError for one that does not step by dense gradients."""
    kind = getattr(torch.optim, name, None)
    if not (isinstance(kind, type) and issubclass(kind, torch.optim.Optimizer)) or kind in UNFIT:
        raise ConfigError(
            f"optimiser: expected a class of torch.optim that steps by dense gradients, found {name!r}"
        )
    return kind


def options_for(
    kind: type[torch.optim.Optimizer], training: OptimiserConfig, device: torch.device
) -> dict[str, Any]:
    """The recipe's options, and those that make steps fast, or fit for a CUDA graph."""
    options = dict(training.optimiser_options)
    if "fused" in inspect.signature(kind).parameters and "foreach" not in options:
        options.setdefault("fused", True)  # one pass over the weights: several times as fast on a CPU
    if device.type == "cuda" and capturable(kind):
        options.setdefault("capturable", True)
    return options


def capturable(kind: type[torch.optim.Optimizer]) -> bool:
    """Whether a class of torch.optim can step within a CUDA graph."""
    return "capturable" in inspect.signature(kind).parameters


def set_rates(optimiser: torch.optim.Optimizer, factor: float, wake_share: float = 1.0) -> None:
    """Give every group its own first rate times a factor; hidden layers a share of that in wake phases."""
    for group in optimiser.param_groups:
        rate = group["initial_lr"] * factor * (wake_share if group["learns"] == "FF" else 1.0)
        if isinstance(group["lr"], Tensor):
            group["lr"].fill_(rate)
        else:
            group["lr"] = rate


def placed(optimiser: torch.optim.Optimizer, state: dict[str, Any]) -> dict[str, Any]:
    """A state dict that was saved on any device, with rates that lie where those of this optimiser do."""
    groups = [
        saved | {key: own[key] for key in ("lr", "capturable") if key in own}
        for saved, own in zip(state["param_groups"], optimiser.param_groups, strict=True)
    ]
    return state | {"param_groups": groups}

"""What a stage holds of a whole run's state, and how the parts are put together."""

from collections.abc import Mapping
from typing import Any

from torch import Tensor

from ffrec.training.gradient_baseline import GradientBaseline


def limited(whole: GradientBaseline, parameters: Mapping[str, Tensor]) -> GradientBaseline:
    """The same baseline for some of its parameters, by name."""
    state = whole.state_dict()
    part = GradientBaseline(parameters, whole.share)
    part.load_state_dict(
        {
            "now": state["now"],
            "batches": state["batches"],
            "sums": {name: state["sums"][name] for name in parameters},
            "means": {phase: {n: means[n] for n in parameters} for phase, means in state["means"].items()},
        }
    )
    return part


def add_names(held: dict[str, Any], more: Mapping[str, Any]) -> None:
    """Add tensors by name to those that are held, also one level down."""
    for name, value in more.items():
        if isinstance(value, dict) and name in held:
            add_names(held[name], value)
        else:
            held[name] = value

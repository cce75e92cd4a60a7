"""The gradient of the other phase as a baseline, where positive and negative data are learnt from apart."""

from collections.abc import Mapping
from typing import Literal, TypedDict

import torch
from torch import Tensor

Side = Literal["wake", "sleep"]
OTHER: dict[Side, Side] = {"wake": "sleep", "sleep": "wake"}


class State(TypedDict):
    """All that a resumed run needs."""

    now: Side | None
    batches: int
    sums: dict[str, Tensor]
    means: dict[Side, dict[str, Tensor]]


class GradientBaseline:
    """Adds to each phase's gradients the mean gradient of the last phase of the other kind.

    Weights that only positive data changes drift, and so do weights that only negative data changes. With the
    average gradient of the other phase added, every single update is one of both kinds of data, one fresh and
    one stored: not examples, only one matrix for each weight matrix. Source: Hinton 2022 §5.1, note 15.
    """

    def __init__(self, parameters: Mapping[str, Tensor], share: float) -> None:
        self.parameters, self.share = dict(parameters), share
        self.now: Side | None = None
        self.batches = 0
        self.sums = {name: torch.zeros_like(p) for name, p in self.parameters.items()}
        self.means = {phase: {name: torch.zeros_like(p) for name, p in self.sums.items()} for phase in OTHER}

    def begin(self, phase: Side, batches: int = 1) -> None:
        """Expect so many gradients of a phase; where it begins, store the mean of the phase before."""
        if phase != self.now:
            for name, total in self.sums.items():
                if self.now is not None:
                    torch.div(total, self.batches, out=self.means[self.now][name])
                total.zero_()
            self.now, self.batches = phase, 0
        self.batches += batches

    def add(self, phase: Side) -> None:
        """Sum the parameters' gradients, and add `share` of the other phase's mean to them: work of the
        device alone, which a CUDA graph can hold."""
        for name, parameter in self.parameters.items():
            if parameter.grad is None:
                raise ValueError(f"{name}: expected a gradient, found none: update the layer first")
            self.sums[name] += parameter.grad
            parameter.grad.add_(self.means[OTHER[phase]][name], alpha=self.share)

    def state_dict(self) -> State:
        """All that a resumed run needs."""
        return {"now": self.now, "batches": self.batches, "sums": self.sums, "means": self.means}

    def load_state_dict(self, state: State) -> None:
        """Go back to a `state_dict`."""
        self.now, self.batches = state["now"], state["batches"]
        for name, total in state["sums"].items():
            self.sums[name].copy_(total)
        for phase, means in state["means"].items():
            for name, mean in means.items():
                self.means[phase][name].copy_(mean)

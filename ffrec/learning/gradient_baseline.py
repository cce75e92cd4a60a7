"""What a network remembers, awake, of what it learnt asleep, and the other way round."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from ffrec.config.training import Phase

OTHER: dict[Phase, Phase] = {"wake": "sleep", "sleep": "wake"}


class Opposite:
    """Adds to each phase's gradients the mean gradient of the last phase of the other kind.

    While awake, weights that only positive data changes drift; so they do asleep. With the average of what
    the other phase taught as a baseline, every single update is one of both kinds of data, one kind fresh and
    one remembered: not examples, only one matrix for each weight matrix. Source: Hinton 2022 §5.1, note 15.
    """

    def __init__(self, parameters: Mapping[str, Tensor], share: float) -> None:
        self.parameters, self.share = dict(parameters), share
        self.now: Phase | None = None
        self.batches = 0
        self.sums = {name: torch.zeros_like(p) for name, p in self.parameters.items()}
        self.means: dict[Phase, dict[str, Tensor]] = {}

    def add(self, phase: Phase) -> None:
        """Take note of the parameters' gradients, and add `share` of the other phase's mean to them."""
        if phase != self.now:
            if self.now is not None:
                self.means[self.now] = {name: total / self.batches for name, total in self.sums.items()}
            self.now, self.batches = phase, 0
            for total in self.sums.values():
                total.zero_()
        self.batches += 1
        remembered = self.means.get(OTHER[phase], {})
        for name, parameter in self.parameters.items():
            assert parameter.grad is not None
            self.sums[name] += parameter.grad
            if name in remembered:
                parameter.grad.add_(remembered[name], alpha=self.share)

    def state_dict(self) -> dict[str, Any]:
        """All that a resumed run needs."""
        return {"now": self.now, "batches": self.batches, "sums": self.sums, "means": self.means}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go back to what `state_dict` told."""
        self.now, self.batches, self.means = state["now"], state["batches"], state["means"]
        for name, total in state["sums"].items():
            self.sums[name].copy_(total)
        for phase, means in self.means.items():
            self.means[phase] = {name: mean.to(self.sums[name].device) for name, mean in means.items()}

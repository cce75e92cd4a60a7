"""Local SGD: processes learn alone for some updates, then average their weights."""

from collections.abc import Mapping
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor

from ffrec.parallel.sharing import Sharing
from ffrec.parallel.team import Team

OUTER_RATE = 0.7  # of the outer step, where it has momentum


class Averaging(Sharing):
    """Every `every` updates, θ ← mean of the processes' θ, for all weights and running means.

    With outer momentum μ, and Δ the mean of the processes' changes since the last time,

        v ← μ v + Δ,    θ ← θ_last + 0.7 (Δ + μ v),

    Nesterov's momentum on the averaged change (Douillard et al. 2023). Optimisers keep their own state.
    """

    def __init__(self, team: Team, weights: Mapping[str, Tensor], every: int, momentum: float = 0.0) -> None:
        self.team, self.every, self.momentum, self.since = team, every, momentum, 0
        self.weights = {name: w for name, w in weights.items() if w.is_floating_point()}
        self.last = {name: w.clone() for name, w in self.weights.items()} if momentum else {}
        self.velocity = {name: torch.zeros_like(w) for name, w in self.last.items()}

    def spread(self) -> None:
        """One more update is done: average if it is time."""
        self.since += 1
        if self.since >= self.every:
            self.meet()

    def meet(self) -> None:
        """Make the weights of all processes one, unless they are."""
        if not self.since:
            return
        self.since = 0
        works = [dist.all_reduce(weight, async_op=True) for weight in self.weights.values()]
        for (name, weight), work in zip(self.weights.items(), works, strict=True):
            work.wait()
            weight /= self.team.world
            if self.momentum:
                last, velocity = self.last[name], self.velocity[name]
                change = weight - last
                velocity.mul_(self.momentum).add_(change)
                last.add_(change.add_(velocity, alpha=self.momentum), alpha=OUTER_RATE)
                weight.copy_(last)

    def state_dict(self) -> dict[str, Any]:
        """All that a resumed run needs, where weights have just been averaged."""
        return {"velocity": self.velocity}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go back to a `state_dict`, once the network has its weights; that of a run without outer momentum
        has no velocity."""
        held = state.get("velocity", {})
        for name, last in self.last.items():
            last.copy_(self.weights[name])
            self.velocity[name].copy_(held.get(name, torch.zeros_like(last)))

"""Layers that see those above them as well, and are updated again and again."""

from abc import abstractmethod
from collections.abc import Mapping

import torch
from torch import Tensor

from ffrec.networks.network import Network


class Feedback(Network):
    """Hidden levels send up and down. With n(·) the normalisation, s the hidden levels that send to level l,
    c what all else sends to it, and d the damping, an iteration is

        ĥₗ(t) = act(Σₛ n(hₛ(t−1)) Wₛₗ + cₗ),    hₗ(t) = d · hₗ(t−1) + (1 − d) · ĥₗ(t)

    Source: Hinton 2022 §3.4.
    """

    @property
    @abstractmethod
    def damping(self) -> float:
        """Share of the state before that an iteration keeps."""

    def groups(self) -> list[list[int]]:
        """Levels that are updated together, in order."""
        return [list(self.levels)]

    def hidden_sources(self, level: int) -> list[int]:
        """The hidden levels that send to a hidden level."""
        return [at for at in self.levels if str(at) in self.layer(level).sources]

    def iterate(
        self, states: dict[int, Tensor], x: dict[str, Tensor], constant: Mapping[int, Tensor]
    ) -> tuple[dict[str, Tensor], dict[int, Tensor], dict[int, Tensor | None]]:
        """One iteration: replace the hidden levels' states h, and what they send; returns what they were
        sent, their activities ĥ and the slopes."""
        used: dict[str, Tensor] = {}
        activities: dict[int, Tensor] = {}
        slopes: dict[int, Tensor | None] = {}
        for group in self.groups():
            used |= {str(s): x[str(s)] for level in group for s in self.hidden_sources(level)}
            for level in group:
                layer, total = self.layer(level), constant[level]
                for source in self.hidden_sources(level):
                    total = layer.add_input(str(source), x[str(source)], total)
                total = total.clone() if total is constant[level] else total
                activities[level], slopes[level] = layer.activate(total)
            for level in group:
                states[level], x[str(level)] = self.damped(level, states[level], activities[level])
        return used, activities, slopes

    def damped(self, level: int, state: Tensor, activity: Tensor) -> tuple[Tensor, Tensor]:
        """A level's state hₗ(t) from hₗ(t−1) and ĥₗ(t), and what the level sends then."""
        state = torch.lerp(activity, state, self.damping)
        return state, self.layer(level).send(state)

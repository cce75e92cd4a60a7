"""A stage of a pipeline: some levels of a feed-forward network, and its links to the stages beside it."""

import copy
from collections.abc import Sequence
from typing import NamedTuple

import torch
import torch.distributed as dist
from torch import Tensor

from ffrec.learning.update import Step
from ffrec.networks.feedforward import FeedForward
from ffrec.networks.network import Encoding
from ffrec.pipeline.link import Link


class Traffic(NamedTuple):
    """What a batch looks like on its way up."""

    cases: int
    """Of the largest message: of a batch, or of one of the `parts` that it is cut into."""
    parts: int
    candidates: int
    """Of the pass that the layers learn from."""
    verdicts: bool
    """Whether the first stage has to know what the softmax makes of a batch before that pass."""
    dtype: torch.dtype
    """Of what layers send."""


class Stage:
    """The levels `plan[rank]` of a network. Every process makes its own, at the same time.

    The network is the same with fewer `levels`: what it computes is what the whole network computes. What the
    softmax of the last stage reads of the levels below travels up with the activities.
    """

    def __init__(self, network: FeedForward, plan: Sequence[range], traffic: Traffic, device: torch.device):
        self.rank, self.levels = dist.get_rank(), plan[dist.get_rank()]
        self.network = copy.copy(network)
        self.network.levels = self.levels
        self.first, self.last = self.rank == 0, self.rank == len(plan) - 1
        self.below, self.top = self.levels[0] - 1, self.levels[-1]
        self.units = (0, *network.config.hidden)
        dtype, cases, buffers = traffic.dtype, traffic.cases, traffic.parts + 1
        self.flags, self.images, self.labels = [], [], []
        for rank, levels in enumerate(plan[:-1]):
            pair, units = (rank, rank + 1), self.units[levels[-1]]
            read = sum(self.units[level] for level in self.passed(levels[-1]))
            single = 1 if network.labelled else traffic.candidates
            self.flags.append(Link(*pair, 1, buffers, torch.int64, torch.device("cpu")))
            self.images.append(Link(*pair, cases * (single * units + read), buffers, dtype, device))
            if network.labelled:
                size = cases * traffic.candidates * units
                self.labels.append(Link(*pair, size, buffers, dtype, device))
        self.verdicts = []
        if traffic.verdicts:
            ends, size = (len(plan) - 1, 0), cases * network.classes
            self.verdicts.append(Link(*ends, size, buffers, torch.float32, device))

    def passed(self, top: int) -> list[int]:
        """The levels below a stage's top that the softmax reads."""
        return [level for level in self.network.config.read if level < top]

    @property
    def every_link(self) -> list[Link]:
        """Those of all stages."""
        return [*self.flags, *self.images, *self.labels, *self.verdicts]

    def from_below(self, links: Sequence[Link], *shapes: Sequence[int]) -> list[Tensor]:
        return links[self.rank - 1].receive(*shapes)

    def encode(self, rows: Tensor | None, cases: int, candidates: int) -> tuple[Encoding, dict[int, Tensor]]:
        """The first pass, without a label or with the neutral one; and what the softmax reads of this level
        and of those below, by level. The first stage is given rows of pixels."""
        read: dict[int, Tensor] = {}
        if rows is not None:
            encoding = self.network.encode(rows)
        else:
            levels = self.passed(self.below)
            shapes: list[tuple[int, ...]] = [(cases, candidates, self.units[self.below])]
            shapes += [(cases, self.units[level]) for level in levels]
            x, *features = self.from_below(self.images, *shapes)
            read = dict(zip(levels, features, strict=True))
            encoding = Encoding(x, {}, self.network.climb({str(self.below): x}))
        for level in self.network.config.read:
            if max(self.below, 1) <= level <= self.top:
                read[level] = self.network.feature(level, encoding.step)
        if not self.last:
            passed = [read[level] for level in self.passed(self.top)]
            self.images[self.rank].send(encoding.step.inputs[str(self.top)], *passed)
        return encoding, read

    def try_labels(self, encoding: Encoding, shown: Tensor | None, cases: int, candidates: int) -> Step:
        """The pass that the layers learn from: with candidate labels, which the first stage is given, if the
        network has labels."""
        if not self.network.labelled:
            return encoding.step
        if shown is not None:
            step = next(self.network.steps(encoding, shown))
        else:
            (x,) = self.from_below(self.labels, (cases, candidates, self.units[self.below]))
            step = self.network.climb({str(self.below): x})
        if not self.last:
            self.labels[self.rank].send(step.inputs[str(self.top)])
        return step


def joined(steps: Sequence[Step]) -> Step:
    """One step of a whole batch, from those of its parts."""
    if len(steps) == 1:
        return steps[0]
    whole = steps[0]
    inputs = {name: torch.cat([step.inputs[name] for step in steps]) for name in whole.inputs}
    activities = {level: torch.cat([step.activities[level] for step in steps]) for level in whole.activities}
    slopes: dict[int, Tensor | None] = {}
    for level, slope in whole.slopes.items():
        parts = [part for step in steps if (part := step.slopes[level]) is not None]
        slopes[level] = None if slope is None else torch.cat(parts)
    return whole._replace(inputs=inputs, activities=activities, slopes=slopes)

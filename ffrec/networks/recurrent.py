"""The recurrent network: damped synchronous iterations between the image below and the label above.

Levels are numbered from the image (0) over the hidden layers (1 … L) to the label (L + 1). Activities have
shape `(batch, candidates, units)`: one candidate for every label that is tried, or a single one, shared by
all of them, while no label has had the time to reach the layer (it climbs down a level an iteration).
"""

from collections.abc import Iterator
from typing import NamedTuple

import torch
from einops import reduce
from torch import Tensor, nn
from torch.nn.functional import one_hot

from ffrec.config import RecurrentConfig
from ffrec.config.training import Phase
from ffrec.learning.connection import Full
from ffrec.learning.goodness import Logistic, Squares
from ffrec.learning.layer import SIDES, Layer, Readout, Stack, normalise


class Iteration(NamedTuple):
    """One iteration: the normalised hidden `sources` it used and the `activities` it made, by level."""

    number: int
    sources: dict[int, Tensor]
    activities: dict[int, Tensor]


class Seen(NamedTuple):
    """What an image does before any label is tried."""

    image: Tensor
    """Normalised input, `(batch, frames, features)`."""
    drive: dict[int, Tensor]
    """Bias and the first frame's contribution to every layer's total input, `(batch, 1, units)`."""
    activities: dict[int, Tensor]
    """A single bottom-up pass: the states before the first iteration, `(batch, 1, units)`."""


class Recurrent(nn.Module):
    """Hinton 2022 §3.4 and figure 3. With n(·) = `normalise`, s the connected levels and d the damping:

        ĥₗ(t) = max(0, Σₛ n(hₛ(t−1)) Wₛₗ + bₗ),    hₗ(t) = d · hₗ(t−1) + (1 − d) · ĥₗ(t)

    h(0) is a single bottom-up pass and goodness judges ĥ. The label is a one-of-N code scaled to unit mean
    square. Input is an image `(batch, features)`, repeated, or a video `(batch, frames, features)` whose
    frame t drives iteration t (the first frame also drives the bottom-up pass).
    """

    def __init__(
        self, config: RecurrentConfig, features: int, classes: int, generator: torch.Generator
    ) -> None:
        super().__init__()
        self.config, self.classes = config, classes
        self.levels = range(1, len(config.hidden) + 1)
        self.top = len(config.hidden) + 1
        units = [features, *config.hidden, classes]
        self.goodness, self.judging = Squares(config.sign), tuple(self.levels)
        self.layers = nn.ModuleList()
        for level, theta, sharpness in zip(self.levels, config.thresholds, config.sharpnesses, strict=True):
            wiring = {
                str(s): Full(units[s], units[level]) for s, target in config.connections if target == level
            }
            logistic = Logistic(theta, sharpness)
            self.layers.append(Layer(wiring, self.goodness, logistic, config, generator))
        self.readout = Readout(sum(config.hidden), classes)
        self.stack = Stack()
        self.register_buffer("correct", torch.tensor([1.0, -1.0]), persistent=False)
        self.correct: Tensor

    def layer(self, level: int) -> Layer:
        """The hidden layer at a level."""
        layer = self.layers[level - 1]
        assert isinstance(layer, Layer)
        return layer

    def sources(self, level: int) -> list[int]:
        """The levels that send to a hidden level."""
        return [int(s) for s in self.layer(level).weights]

    def hidden_sources(self, level: int) -> list[int]:
        """The hidden levels that send to a hidden level."""
        return [s for s in self.sources(level) if 0 < s < self.top]

    def look(self, image: Tensor) -> Seen:
        """A single bottom-up pass over `(batch, features)` or, for video, `(batch, frames, features)`."""
        frames = normalise(image if image.ndim == 3 else image.unsqueeze(1))
        drive, activities = self.drive(frames, 0), {}
        x: dict[int, Tensor] = {}
        for level in self.levels:
            total = drive[level]
            for s in self.hidden_sources(level):
                if s < level:
                    total = self.layer(level).send(str(s), x[s], total)
            activities[level] = total.relu()
            x[level] = normalise(activities[level])
        return Seen(frames, drive, activities)

    def drive(self, frames: Tensor, index: int) -> dict[int, Tensor]:
        """bₗ + n(image) W₀ₗ of one frame, for every level: `(batch, 1, units)`."""
        x, drive = frames[:, index : index + 1], {}
        for level in self.levels:
            layer = self.layer(level)
            bias = layer.bias.expand(len(x), 1, -1)
            drive[level] = layer.send("0", x, bias) if 0 in self.sources(level) else bias
        return drive

    def classify(self, seen: Seen) -> tuple[Tensor, Tensor]:
        """One-pass softmax: its features `(batch, Σ units)` and logits `(batch, classes)`."""
        features = torch.cat([normalise(h).squeeze(1) for h in seen.activities.values()], dim=1)
        return features, self.readout(features)

    def iterate(self, seen: Seen, labels: Tensor, iterations: int) -> Iterator[Iteration]:
        """Run the network with candidate labels `(batch, candidates)`; yields every iteration."""
        frames = seen.image.shape[1]
        if 1 < frames < iterations:
            raise ValueError(f"expected 1 frame or {iterations}, one an iteration, found {frames}")
        told = {
            level: self.layer(level).weights[str(self.top)][labels] * self.classes**0.5
            for level in self.levels
            if self.top in self.sources(level)
        }
        x = {level: normalise(h) for level, h in seen.activities.items()}
        states, drive = dict(seen.activities), seen.drive
        for number in range(1, iterations + 1):
            if frames > 1:
                drive = self.drive(seen.image, number - 1)
            used: dict[int, Tensor] = {}
            activities: dict[int, Tensor] = {}
            for group in self.groups():
                used |= {s: x[s] for level in group for s in self.hidden_sources(level)}
                for level in group:
                    total = drive[level] + told[level] if level in told else drive[level]
                    for s in self.hidden_sources(level):
                        total = self.layer(level).send(str(s), x[s], total)
                    activities[level] = total.relu_() if total is not drive[level] else total.relu()
                for level in group:
                    states[level] = torch.lerp(activities[level], states[level], self.config.damping)
                    x[level] = normalise(states[level])
            yield Iteration(number, used, activities)

    def groups(self) -> list[list[int]]:
        """Levels that are updated together, in order."""
        if self.config.update == "synchronous":
            return [list(self.levels)]
        return [[level for level in self.levels if level % 2 == parity] for parity in (0, 1)]

    def learn(self, seen: Seen, labels: Tensor, phase: Phase = "both") -> tuple[Tensor, Tensor]:
        """Fill every hidden layer's gradients from one positive and one negative label per image; awake, from
        the positive one alone, and asleep from the negative one.

        The loss is −mean log p(correct) over images, labels and the iterations of `config.loss`, in each
        layer for itself. Labels are `(batch, 2)`, true ones first, or `(batch, 1)`. Returns, per layer, that
        loss and the share judged rightly (`Layer.measure`), both averaged over the iterations.
        """
        correct = SIDES[phase](self.correct)
        first, last = self.config.loss
        depth = min(self.config.chunk or last, last - first + 1)
        measured = seen.image.new_zeros(3, len(self.levels))
        for level in self.levels:
            self.layer(level).clear()
        for iteration in self.iterate(seen, labels, last):
            if iteration.number < first:
                continue
            index = (iteration.number - first) % depth
            measured += self.judge(iteration, index, depth, correct)
            if index + 1 == depth or iteration.number == last:
                frames = seen.image
                if frames.shape[1] > 1:
                    frames = frames[:, iteration.number - index - 1 : iteration.number]
                scale = 1 / (labels.numel() * (last - first + 1))
                self.accumulate(index + 1, frames, labels, correct, scale)
        loss, right, goodness = measured / (last - first + 1)
        for level, mean in zip(self.levels, goodness, strict=True):
            self.layer(level).note(mean, correct)
        return loss, right

    def judge(self, iteration: Iteration, index: int, depth: int, correct: Tensor) -> Tensor:
        """Stack one iteration's deltas and sources at `index`; return loss, share right and mean goodness,
        `(3, layers)`."""
        columns = []
        for level in self.levels:
            layer, h = self.layer(level), iteration.activities[level].expand(-1, len(correct), -1)
            goodness = self.goodness.value(h)
            layer.delta(h, goodness, correct, self.stack.slot(f"delta {level}", index, depth, h))
            columns.append(torch.stack([*layer.measure(goodness, correct), goodness.mean()]))
        for level, x in iteration.sources.items():
            x = x.expand(-1, len(correct), -1)
            self.stack.slot(f"source {level}", index, depth, x).copy_(x)
        return torch.stack(columns, dim=1)

    def accumulate(self, count: int, frames: Tensor, labels: Tensor, correct: Tensor, scale: float) -> None:
        """Turn `count` stacked iterations into gradients: one product per connection.

        What an iteration or a label does not change (a static image) meets deltas summed over it.
        """
        code = one_hot(labels.flatten(), self.classes).to(frames.dtype) * self.classes**0.5
        for level in self.levels:
            layer = self.layer(level)
            delta = self.stack.filled(f"delta {level}", count)  # (t, batch, 2, units)
            summed = delta.sum(0)  # first over iterations alone: a sum over t and k at once is far slower
            for s in self.sources(level):
                if s == self.top:
                    layer.accumulate(str(s), code, summed.flatten(0, 1), correct, scale)
                elif s > 0:
                    x = self.stack.filled(f"source {s}", count)
                    layer.accumulate(str(s), x.flatten(0, 2), delta.flatten(0, 2), correct, scale)
                elif frames.shape[1] == 1:
                    layer.accumulate("0", frames.squeeze(1), summed.sum(1), correct, scale)
                else:
                    per_frame = reduce(delta, "t b k n -> (b t) n", "sum")
                    layer.accumulate("0", frames.flatten(0, 1), per_frame, correct, scale)
            layer.accumulate_bias(summed.flatten(0, 1), scale)

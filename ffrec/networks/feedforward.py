"""Feed-forward networks: an image below, with a label or without, and hidden layers that each judge it.

Levels are numbered from the image (0) to the last hidden layer (L). Activities have shape
`(batch, candidates, units)`: candidates are labels of one image, or one image and its negative twin.
"""

from collections.abc import Callable, Iterator, Mapping
from itertools import pairwise
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.functional import one_hot

from ffrec.config import ConfigError, FeedForwardConfig
from ffrec.config.training import Phase
from ffrec.learning.activation import ACTIVATIONS
from ffrec.learning.connection import Full, Local, Masked, Wiring, square_fields
from ffrec.learning.goodness import GOODNESS, Blocks, Logistic
from ffrec.learning.layer import SIDES, Layer, Readout, Stack, normalise

BlackBox = Callable[[Tensor], Tensor]


class Pass(NamedTuple):
    """One pass up the network, by level."""

    activities: dict[int, Tensor]
    sources: dict[int, Tensor]
    """What each level but the last sends: its normalised activities, or what a black box makes of them."""
    slopes: dict[int, Tensor | None]
    """Of the activation function; None for the rectifier."""


class Seen(NamedTuple):
    """What an image does before any label is tried."""

    image: Tensor
    """Normalised input, `(batch, 1, pixels)`, or `(batch, 2, pixels)` with a negative image beside it."""
    drive: Tensor
    """Bias and the image's contribution to the first layer's total input, `(batch, 1 or 2, units)`."""
    bottom_up: Pass
    """A pass with the neutral label, or with none."""

    @property
    def activities(self) -> dict[int, Tensor]:
        """Of the pass."""
        return self.bottom_up.activities


class FeedForward(nn.Module):
    """Hinton 2022 §3.2 and §3.3. With n(·) the goodness's normalisation and c the label's code:

        h₁ = act(n(image) W₁ + c V + b₁),    hₗ = act(n(hₗ₋₁) Wₗ + bₗ),    p(class) = softmax([n(hₗ) …] U + a)

    The code is one-of-N scaled to unit mean square; a neutral label has the same tenth of it for every class.
    `boxes` puts a callable behind a level: it changes, in any way, what that level sends (§6).
    """

    def __init__(
        self,
        config: FeedForwardConfig,
        pixels: int,
        classes: int,
        generator: torch.Generator,
        boxes: Mapping[int, BlackBox] | None = None,
    ) -> None:
        super().__init__()
        self.config, self.classes, self.boxes = config, classes, dict(boxes or {})
        self.levels = range(1, len(config.hidden) + 1)
        if not self.boxes.keys() <= set(self.levels[:-1]):
            raise ValueError(
                f"boxes: expected hidden levels that send to another, 1 to {len(self.levels) - 1}, found "
                f"{sorted(self.boxes)}"
            )
        self.labelled = config.label != "none"
        self.judging = config.read if self.labelled else ()
        self.covered = classes if config.label == "overwrite" else 0
        self.activate = ACTIVATIONS[config.activation]
        self.layers = nn.ModuleList()
        for level, wires in enumerate(wiring(config, pixels - self.covered), 1):
            judge = Logistic(config.thresholds[level - 1], config.sharpnesses[level - 1])
            factor = config.sign * (wires.units // config.blocks if config.scale == "sum" else 1)
            goodness = Blocks(GOODNESS[config.goodness](factor), config.blocks)
            sources = {str(level - 1): wires}
            if level == 1 and self.labelled:
                sources["label"] = Full(classes, wires.units)
            self.layers.append(Layer(sources, goodness, judge, config, generator))
        if self.labelled:
            self.layer(1).weights["label"].mul_(config.label_size)
        self.readout = Readout(sum(config.hidden[level - 1] for level in config.read), classes)
        self.stack = Stack()
        self.register_buffer("correct", torch.tensor([[1.0], [-1.0]]), persistent=False)
        self.correct: Tensor

    def layer(self, level: int) -> Layer:
        """The hidden layer at a level."""
        layer = self.layers[level - 1]
        assert isinstance(layer, Layer)
        return layer

    def look(self, rows: Tensor) -> Seen:
        """A pass over `(batch, pixels)`, or over images and their negative twins `(batch, 2, pixels)`; a
        network with labels passes the image alone, with the neutral label."""
        image = normalise((rows if rows.ndim == 3 else rows.unsqueeze(1))[..., self.covered :])
        first = self.layer(1)
        drive = first.send("0", image, first.bias.expand(*image.shape[:2], -1))
        total = drive[:, :1] + self.code_rows().mean(0) if self.labelled else drive.clone()
        return Seen(image, drive, self.climb(total))

    def code_rows(self) -> Tensor:
        """What each label adds to the first layer's total input, `(classes, units)`."""
        rows: Tensor = self.layer(1).weights["label"] * self.classes**0.5
        return rows

    def climb(self, total: Tensor) -> Pass:
        """A pass up from the first layer's total input `(batch, candidates, units)`, which is overwritten.

        Raises ValueError, naming the level, if a black box sends anything but finite numbers of that shape.
        """
        passed = Pass({}, {}, {})
        activities, sources, slopes = passed
        for level in self.levels:
            layer = self.layer(level)
            if level > 1:
                total = layer.send(str(level - 1), sources[level - 1], layer.bias)
            activities[level], slopes[level] = self.activate(total)
            if level < len(self.levels):
                sources[level] = layer.goodness.normalise(activities[level])
                if level in self.boxes:
                    sources[level] = self.boxed(level, sources[level])
        return passed

    def boxed(self, level: int, x: Tensor) -> Tensor:
        """What the black box behind a level makes of what it sends, normalised like its activities."""
        said = self.boxes[level](x.clone())
        try:
            sent = torch.as_tensor(said).detach().to(x)
            found = f"shape {tuple(sent.shape)}" if sent.shape != x.shape else "NaN or infinity"
        except (TypeError, ValueError, RuntimeError):
            sent, found = x.new_empty(0), type(said).__name__
        if sent.shape != x.shape or not sent.isfinite().all():
            raise ValueError(
                f"the black box behind hidden layer {level}: expected finite numbers of shape "
                f"{tuple(x.shape)}, found {found}: mend what it returns"
            )
        return self.layer(level).goodness.normalise(sent)

    def classify(self, seen: Seen) -> tuple[Tensor, Tensor]:
        """One-pass softmax: its features `(batch, Σ units)` and logits `(batch, classes)`."""
        passed = seen.bottom_up
        read = []
        for level in self.config.read:
            h = passed.activities[level][:, :1]
            sent = level in passed.sources and level not in self.boxes
            read.append(passed.sources[level][:, :1] if sent else self.layer(level).goodness.normalise(h))
        features = torch.cat(read, dim=2).squeeze(1)
        return features, self.readout(features)

    def iterate(self, seen: Seen, labels: Tensor, _iterations: int = 1) -> Iterator[Pass]:
        """One pass with candidate labels `(batch, candidates)`."""
        yield self.climb(seen.drive + self.code_rows()[labels])

    def learn(self, seen: Seen, labels: Tensor | None = None, phase: Phase = "both") -> tuple[Tensor, Tensor]:
        """Fill every hidden layer's gradients from a positive and a negative candidate per image; awake, from
        a positive one alone, and asleep from a negative one.

        The loss is −mean log p(correct) over images, candidates and blocks, in each layer for itself. Labels
        are `(batch, candidates)`, true ones first; without labels the candidates are those that were looked
        at. Returns, per layer, that loss and the share judged rightly: `Layer.measure`.
        """
        correct = SIDES[phase](self.correct)
        passed = seen.bottom_up if labels is None else next(self.iterate(seen, labels))
        measured = []
        for level in self.levels:
            layer, h = self.layer(level), passed.activities[level]
            layer.clear()
            goodness = layer.goodness.value(h)  # (batch, candidates, blocks)
            out = self.stack.slot(f"delta {level}", 0, 1, h)
            delta = layer.delta(h, goodness, correct, out, passed.slopes[level])
            scale = 1 / goodness.numel()
            if level > 1:
                sent = passed.sources[level - 1]
                layer.accumulate(str(level - 1), sent.flatten(0, 1), delta.flatten(0, 1), correct, scale)
            elif layer.centring and labels is not None:
                image = seen.image.expand(*labels.shape, -1).flatten(0, 1)
                layer.accumulate("0", image, delta.flatten(0, 1), correct, scale, labels.flatten())
            elif seen.image.shape[1] == 1:  # shared by all candidates
                layer.accumulate("0", seen.image.squeeze(1), delta.sum(1), correct, scale)
            else:
                layer.accumulate("0", seen.image.flatten(0, 1), delta.flatten(0, 1), correct, scale)
            if level == 1 and labels is not None:
                code = one_hot(labels.flatten(), self.classes).to(delta.dtype) * self.classes**0.5
                layer.accumulate("label", code, delta.flatten(0, 1), correct, scale)
            layer.accumulate_bias(delta.flatten(0, 1), scale)
            layer.note(goodness.mean(), correct)
            measured.append(layer.measure(goodness, correct))
        loss, right = torch.stack(measured, dim=1)
        return loss, right


def wiring(config: FeedForwardConfig, pixels: int) -> list[Wiring]:
    """Every layer's connection to the level below; raises ConfigError if receptive fields do not fit."""
    units = [pixels, *config.hidden]
    if not config.local:
        return [Full(*pair) for pair in pairwise(units)]
    found: list[Wiring] = []
    side, below = round(pixels**0.5), 1
    for level, (field, stride, channels) in enumerate(config.local, 1):
        if side * side * below != units[level - 1]:
            raise ConfigError(
                f"local: expected a square map below layer {level}, found {units[level - 1]} units"
            )
        fields = square_fields(side, field, stride, below)
        wires = Local(fields, channels)
        if wires.units != config.hidden[level - 1]:
            raise ConfigError(
                f"local: {len(fields)} locations of {channels} channels make {wires.units} units in layer "
                f"{level}, found {config.hidden[level - 1]} in hidden: change one of them"
            )
        found.append(Masked(wires.mask(units[level - 1])) if config.masked else wires)
        side, below = (side - field) // stride + 1, channels
    return found

"""Feed-forward networks: an image below, with a label or without, and hidden layers with a goodness each.

Levels are numbered from the image (0) to the last hidden layer (L). Activities have shape
`(batch, candidates, units)`: candidates are labels of one image, or one image and its negative twin.
"""

from collections.abc import Iterator, Mapping
from itertools import pairwise

import torch
from torch import Tensor

from ffrec.config import ConfigError, FeedForwardConfig
from ffrec.learning.connection import Codes, Connection, Masked
from ffrec.learning.fields import Local, square_fields
from ffrec.learning.goodness import normalise
from ffrec.learning.transform import BlackBox, Transform
from ffrec.learning.update import Step
from ffrec.networks.maps import check_label_fits, colours, contrast, local_fields
from ffrec.networks.network import Encoding, Network
from ffrec.networks.readout import Readout
from ffrec.registry import pick, register


@register("network", "feedforward")
class FeedForward(Network):
    """Hinton 2022 §3.2 and §3.3. With n(·) the goodness's normalisation and c the label's code:

        h₁ = act(n(image) W₁ + c V + b₁),    hₗ = act(n(hₗ₋₁) Wₗ + bₗ),    p(class) = softmax([n(hₗ) …] U + a)

    The code is one-of-N scaled to unit mean square; a neutral label has the same tenth of it for every class.
    `boxes` names callables to put behind levels: `put_box`.
    """

    config: FeedForwardConfig

    def __init__(
        self,
        config: FeedForwardConfig,
        inputs: int,
        classes: int,
        generator: torch.Generator,
        boxes: Mapping[int, Transform] | None = None,
    ) -> None:
        super().__init__(config, classes)
        self.labelled = config.label != "none"
        self.by_class = config.by_class
        self.scored = config.read if self.labelled or self.by_class else ()
        self.covered = classes if config.label == "overwrite" else 0
        check_label_fits(self.covered, inputs)
        self.colours = 1 if config.field is None else colours(inputs)[0]
        for level, connection in connections(config, inputs - self.covered, generator):
            sources = {str(level - 1): connection}
            if level == 1 and self.labelled:
                sources["label"] = Codes(classes, connection.units, generator)
                sources["label"].weight.mul_(config.label_size)
            self.layers.append(self.make_layer(level, sources, generator))
        self.readout = Readout(sum(config.hidden[level - 1] for level in config.read), classes)
        for level, box in (boxes or {}).items():
            self.put_box(level, box)

    def put_box(self, level: int, box: Transform) -> None:
        """Put a callable behind a level: it changes, in any way, what the level sends (§6)."""
        if level not in self.levels[:-1]:
            raise ValueError(
                f"boxes: expected hidden levels that send to another, 1 to {len(self.levels) - 1}, "
                f"found {level}"
            )
        layer = self.layer(level)
        layer.transform = BlackBox(box, layer.goodness.normalise, f"hidden layer {level}")

    def label(self) -> Codes:
        """How a label reaches the first layer."""
        codes = self.layer(1).connection("label")
        assert isinstance(codes, Codes)
        return codes

    def encode(self, x: Tensor) -> Encoding:
        """A pass over `(batch, inputs)`, or over images and their negative twins `(batch, 2, inputs)`; a
        network with labels passes the first image alone, with the neutral label."""
        image = self.shown(x if x.ndim == 3 else x.unsqueeze(1))
        first = self.layer(1)
        drive = first.add_input("0", image, first.unit_bias().expand(*image.shape[:2], -1))
        total = drive[:, :1] + self.label().neutral() if self.labelled else drive.clone()
        return Encoding(image, {1: drive}, self.climb({"0": image}, total))

    def shown(self, images: Tensor) -> Tensor:
        """What images `(batch, candidates, inputs)` send: rows of unit mean square, without the pixels that a
        label covers; as maps where there are receptive fields around every place."""
        if self.config.field is not None:
            return normalise(contrast(images, self.colours)).to(self.dtype)
        return normalise(images[..., self.covered :]).to(self.dtype)

    def climb(self, inputs: dict[str, Tensor], total: Tensor | None = None) -> Step:
        """A pass up, through the network's `levels`, from what is sent to the lowest of them, or from its
        total input `(batch, candidates, units)`, which is overwritten.

        Raises ValueError, naming the level, if a black box sends anything but finite numbers of that shape.
        """
        sent, activities, slopes = dict(inputs), {}, {}
        for level in self.levels:
            layer = self.layer(level)
            if total is None:
                total = layer.add_input(str(level - 1), sent[str(level - 1)], layer.unit_bias())
            activities[level], slopes[level] = layer.activation(total)
            total = None
            if level < len(self.layers):
                sent[str(level)] = layer.send(activities[level])
        shared = frozenset({"0"} if "0" in inputs and inputs["0"].shape[1] == 1 else ())
        return Step(sent, activities, slopes, shared)

    def features(self, encoding: Encoding) -> Tensor:
        """Normalised activities of the levels that the softmax reads, of the first image: `(batch, Σ
        units)`."""
        return torch.cat([self.feature(level, encoding.step) for level in self.config.read], dim=1)

    def feature(self, level: int, step: Step) -> Tensor:
        """Normalised activities of one level, of the first image: `(batch, units)`."""
        layer = self.layer(level)
        if str(level) in step.inputs and layer.transform is None:
            return step.inputs[str(level)][:, 0]
        return layer.goodness.normalise(step.activities[level][:, 0])

    def steps(self, encoding: Encoding, candidates: Tensor, count: int = 1) -> Iterator[Step]:
        """One pass with candidate labels `(batch, candidates)`; class scores need no candidates."""
        del count
        if self.labelled:
            codes = candidates.unsqueeze(2)
            inputs = {"0": encoding.input, "label": codes}
            yield self.climb(inputs, encoding.drive[1] + self.label()(codes))
        else:
            yield encoding.step

    def label_score(self, level: int, step: Step, candidates: Tensor) -> Tensor:
        """A layer's goodness for each candidate label; where classes compete, sharpness times score."""
        if not self.by_class:
            return super().label_score(level, step, candidates)
        value = self.layer(level).goodness.value(step.activities[level][:, 0])
        return value.gather(1, candidates) * self.config.sharpnesses[level - 1]


def connections(
    config: FeedForwardConfig, inputs: int, generator: torch.Generator
) -> Iterator[tuple[int, Connection]]:
    """Every level with its connection to the level below, made one after another: a layer's other weights are
    drawn in between. Raises ConfigError if receptive fields do not fit."""
    units, connect = [inputs, *config.hidden], pick("connection", config.connection)
    if config.field is not None:
        connect = local_fields(config.field, inputs, config.hidden)
    side, below = round(inputs**0.5), 1
    for level, pair in enumerate(pairwise(units), 1):
        if not config.local:
            yield level, connect(*pair, generator)
            continue
        field, stride, channels = config.local[level - 1]
        if side * side * below != units[level - 1]:
            raise ConfigError(
                f"local: expected a square map below layer {level}, found {units[level - 1]} units"
            )
        try:
            fields = square_fields(side, field, stride, below)
        except ValueError as error:
            raise ConfigError(str(error)) from None
        made = Local(fields, channels, generator)
        if made.units != config.hidden[level - 1]:
            raise ConfigError(
                f"local: {len(fields)} locations of {channels} channels make {made.units} units in layer "
                f"{level}, found {config.hidden[level - 1]} in hidden: change one of them"
            )
        yield level, Masked(made.mask(), generator) if config.masked else made
        side, below = (side - field) // stride + 1, channels

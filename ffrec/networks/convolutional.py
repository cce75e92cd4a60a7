"""Convolutional networks whose layers learn from class scores of their own, or from goodness.

Levels are numbered from the image (0) to the last hidden layer. Activities have shape `(batch, 1, units)`:
maps, ordered place by place.
"""

from collections.abc import Iterator

import torch
from torch import Tensor

from ffrec.config import ConfigError, ConvolutionalConfig
from ffrec.learning.connection import Codes, Connection
from ffrec.learning.fields import Convolution
from ffrec.learning.goodness import Goodness, Places, normalise
from ffrec.learning.scores import Grid, OnGrid
from ffrec.learning.transform import Direction, Standardise
from ffrec.learning.update import Step
from ffrec.networks.maps import by_place, check_label_fits, colours, write
from ffrec.networks.network import Encoding, Network
from ffrec.networks.readout import Readout
from ffrec.registry import pick, register


@register("network", "convolutional")
class Convolutional(Network):
    """With ∗ a convolution, z(·) standardised channels, n(·) normalisation and c a label's code:

        hₗ = max(0, pool(z(n(hₗ₋₁)) ∗ Wₗ) + c Vₗ + bₗ),    p(class) = softmax([n(grid(hₗ)) …] U + a)

    Class scores sₗ = n(grid(hₗ)) Aₗ, with A learnt or random, compete without a label: V = 0, and each layer
    learns from the cross-entropy of its own. So does it where the goodness of as many groups of channels as
    there are classes competes. Sources: Mono-Forward (learnt scores), ASGE (random ones), CwComp (groups), on
    the nets of Nøkland and Eidnes 2019. With a label, layers learn positive from negative data by the
    goodness of a map, of each of its places or of blocks of its channels: Hinton 2022 §2, with shared
    weights. V is 0 where a label is written over pixels; where layers are apart, hₗ₋₁ is what the layer below
    makes of the neutral label. The moments of z follow the pass with that.
    """

    config: ConvolutionalConfig

    def __init__(
        self, config: ConvolutionalConfig, inputs: int, classes: int, generator: torch.Generator
    ) -> None:
        super().__init__(config, classes)
        self.labelled, self.scored = config.label != "none", config.read
        normalised = Standardise if config.sends == "standardised" else Direction
        self.batch = 50 if self.labelled else self.batch  # maps of every label
        self.colours, side = colours(inputs)
        if config.label == "overwrite":
            check_label_fits(classes, side**2)
        self.standardise = normalised(self.colours)
        self.maps = [(self.colours, side, side)]
        """Channels, height and width of every level."""
        self.grids: list[Grid] = []
        """What reads a level sees it through."""
        shapes = zip(config.hidden, *map(config.each, ("kernel", "stride", "pool")), strict=True)
        for level, (channels, kernel, stride, pool) in enumerate(shapes, 1):
            try:
                connection = Convolution(
                    self.maps[-1], channels, kernel, generator, stride, kernel // 2, pool
                )
                self.maps.append(connection.map)
                self.grids.append(Grid(connection.map, config.each("grid")[level - 1]))
                sources = {str(level - 1): connection, **self.codes(level, generator)}
                self.layers.append(self.make_layer(level, sources, generator))
            except ValueError as error:
                raise ConfigError(f"hidden layer {level}: {error}") from None
            if level < len(config.hidden):  # the last one sends to none
                self.layer(level).standardise = normalised(channels)
        pooled = [config.pooled[level - 1] for level in config.read]
        self.readout = Readout(sum(pooled), classes)

    def codes(self, level: int, generator: torch.Generator) -> dict[str, Connection]:
        """How a label reaches a level, if it does."""
        channels = self.maps[level][0]
        seen = {"first": level == 1, "every": True, "apart": True}
        if not seen.get(self.config.label):
            return {}
        codes = Codes(self.classes, channels, generator, places=self.places(level))
        codes.weight.mul_(self.config.label_size)
        return {"label": codes}

    def places(self, level: int) -> int:
        _, down, right = self.maps[level]
        return down * right

    def make_goodness(self, level: int, units: int, generator: torch.Generator) -> Goodness:
        scores = pick("goodness", self.config.goodness)
        if scores.per_class:
            pooled = self.config.pooled[level - 1]
            return OnGrid(scores.for_layer(pooled, self.classes, generator), self.grids[level - 1])
        if not self.config.per_place:
            return super().make_goodness(level, units, generator)
        places = self.places(level)
        return Places(super().make_goodness(level, units // places, generator), places)

    def advance(self, done: float) -> None:
        if self.config.in_turn:
            self.turn = 1 + min(int(done * len(self.layers)), len(self.layers) - 1)
            for level in self.levels:
                self.layer(level).learns = level == self.turn

    def encode(self, x: Tensor) -> Encoding:
        """A pass over `(batch, inputs)`, colour by colour; with the neutral label, if there are labels."""
        rows = by_place(x, self.colours).unsqueeze(1)
        image, drives = self.enter(rows)
        step = self.climb(image, drives)
        if self.config.label == "overwrite":
            return Encoding(rows, {}, step)
        return Encoding(image, drives if self.labelled else {}, step)

    def enter(self, rows: Tensor, labels: Tensor | None = None) -> tuple[Tensor, dict[int, Tensor]]:
        """What the first level is sent of images `(batch, 1, units)`, with candidate labels over their pixels
        if that is where labels go; and what this and the bias make of its total input."""
        if self.config.label == "overwrite":
            rows = write(rows, self.colours, self.classes, labels)
        first = self.layer(1)
        image = self.standardise(rows, first.exchange).to(self.dtype)
        return image, {1: first.add_input("0", image, first.unit_bias())}

    def label(self, level: int) -> Codes:
        """How a label reaches a level as maps."""
        codes = self.layer(level).connection("label")
        assert isinstance(codes, Codes)  # for the type checker
        return codes

    def climb(self, image: Tensor, drives: dict[int, Tensor], labels: Tensor | None = None) -> Step:
        """A pass up with candidate labels `(batch, candidates, 1)`, or the neutral one, from what the first
        level is sent, and its total input but for maps of labels: this is overwritten if there are none.
        `drives` also keeps the other levels' if layers are apart."""
        sent, activities, slopes = {"0": image}, {}, {}
        for level in self.levels:
            layer, total = self.layer(level), drives[1]
            if level > 1:
                total = layer.add_input(str(level - 1), sent[str(level - 1)], layer.unit_bias())
            if self.config.label == "apart":
                drives[level] = total
            if "label" in layer.sources:
                codes = self.label(level)
                total = total + (codes.neutral() if labels is None else codes(labels))
            activities[level], slopes[level] = layer.activation(total)
            if level < len(self.layers):
                sent[str(level)] = layer.send(activities[level])
        if labels is not None:
            sent["label"] = labels
        return Step(sent, activities, slopes, frozenset({"0"} if image.shape[1] == 1 else ()))

    def apart(self, encoding: Encoding, labels: Tensor) -> Step:
        """What every layer makes of candidate labels `(batch, candidates, 1)` by itself: it is sent what the
        layers below make of the neutral one, which all candidates share."""
        activities, slopes = {}, {}
        for level in self.levels:
            total = encoding.drive[level] + self.label(level)(labels)
            activities[level], slopes[level] = self.layer(level).activation(total)
        sent = encoding.step.inputs
        return Step({**sent, "label": labels}, activities, slopes, frozenset(sent))

    def features(self, encoding: Encoding) -> Tensor:
        """Activities of the levels that the softmax reads, averaged over the grid and normalised:
        `(batch, Σ grid² · channels)`."""
        found = []
        for level in self.config.read:
            pooled = self.grids[level - 1].mean(encoding.step.activities[level][:, 0])
            found.append(normalise(pooled))
        return torch.cat(found, dim=1).to(self.dtype)

    def steps(self, encoding: Encoding, candidates: Tensor, count: int = 1) -> Iterator[Step]:
        """One pass with candidate labels `(batch, candidates)`; class scores need no candidates."""
        del count
        labels = candidates.unsqueeze(2)
        if not self.labelled:
            yield encoding.step
        elif self.config.label == "apart":
            yield self.apart(encoding, labels)
        elif self.config.label == "overwrite":
            yield self.climb(*self.enter(encoding.input, labels), labels)
        else:
            yield self.climb(encoding.input, dict(encoding.drive), labels)

    def label_score(self, level: int, step: Step, candidates: Tensor) -> Tensor:
        """Sharpness times the score of every candidate label, or a layer's goodness for it."""
        if self.labelled:
            return super().label_score(level, step, candidates)
        value = self.layer(level).goodness.value(step.activities[level][:, 0])
        return value.gather(1, candidates) * self.config.sharpnesses[level - 1]

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
from ffrec.learning.transform import Standardise
from ffrec.learning.update import Step
from ffrec.networks.maps import by_place, colours
from ffrec.networks.network import Encoding, Network
from ffrec.networks.readout import Readout
from ffrec.registry import pick, register


@register("network", "convolutional")
class Convolutional(Network):
    """With ∗ a convolution, z(·) standardised channels, n(·) normalisation and c a label's code:

        hₗ = max(0, pool(z(n(hₗ₋₁)) ∗ Wₗ) + c Vₗ + bₗ),    p(class) = softmax([n(grid(hₗ)) …] U + a)

    Class scores sₗ = n(grid(hₗ)) Aₗ, with A learnt or random, compete without a label: V = 0, and each layer
    learns from the cross-entropy of its own. Sources: Mono-Forward (learnt scores), ASGE (random ones), on
    the nets of Nøkland and Eidnes 2019. With a label, layers learn positive from negative data by the
    goodness of a map, or of each of its places: Hinton 2022 §2, with shared weights. The moments of z follow
    the pass with the neutral label.
    """

    config: ConvolutionalConfig

    def __init__(
        self, config: ConvolutionalConfig, inputs: int, classes: int, generator: torch.Generator
    ) -> None:
        super().__init__(config, classes)
        self.labelled, self.scored = config.label != "none", config.read
        self.batch = 50 if self.labelled else self.batch  # maps of every label
        self.colours, side = colours(inputs)
        self.standardise = Standardise(self.colours)
        self.maps = [(self.colours, side, side)]
        """Channels, height and width of every level."""
        self.grids: list[Grid] = []
        """What reads a level sees it through."""
        kernels, pools = config.each("kernel"), config.each("pool")
        for level, channels in enumerate(config.hidden, 1):
            kernel = kernels[level - 1]
            try:
                connection = Convolution(
                    self.maps[-1], channels, kernel, generator, padding=kernel // 2, pool=pools[level - 1]
                )
                self.maps.append(connection.map)
                self.grids.append(Grid(connection.map, config.each("grid")[level - 1]))
                sources = {str(level - 1): connection, **self.codes(level, generator)}
                self.layers.append(self.make_layer(level, sources, generator))
            except ValueError as error:
                raise ConfigError(f"hidden layer {level}: {error}") from None
            if level < len(config.hidden):  # the last one sends to none
                self.layer(level).standardise = Standardise(channels)
        pooled = [config.pooled[level - 1] for level in config.read]
        self.readout = Readout(sum(pooled), classes)

    def codes(self, level: int, generator: torch.Generator) -> dict[str, Connection]:
        """How a label reaches a level, if it does."""
        channels, down, right = self.maps[level]
        if not self.labelled or (level > 1 and self.config.label == "first"):
            return {}
        return {"label": Codes(self.classes, channels, generator, places=down * right)}

    def make_goodness(self, level: int, units: int, generator: torch.Generator) -> Goodness:
        channels, down, right = self.maps[level]
        if self.config.by_class:
            scores = pick("goodness", self.config.goodness)
            pooled = self.config.pooled[level - 1]
            return OnGrid(scores.for_layer(pooled, self.classes, generator), self.grids[level - 1])
        if not self.config.per_place:
            return super().make_goodness(level, units, generator)
        return Places(super().make_goodness(level, channels, generator), down * right)

    def encode(self, x: Tensor) -> Encoding:
        """A pass over `(batch, inputs)`, colour by colour; with the neutral label, if there are labels."""
        rows = by_place(x, self.colours).unsqueeze(1)
        image, first = self.standardise(rows, self.layer(1).exchange).to(self.dtype), self.layer(1)
        drive = first.add_input("0", image, first.unit_bias())
        return Encoding(image, {1: drive} if self.labelled else {}, self.climb(image, drive))

    def climb(self, image: Tensor, drive: Tensor, labels: Tensor | None = None) -> Step:
        """A pass up with candidate labels `(batch, candidates, 1)`, or the neutral one, from what the image
        and the bias make of the first level's total input `(batch, 1, units)`, which is overwritten if there
        are no labels at all."""
        sent, activities, slopes = {"0": image}, {}, {}
        for level in self.levels:
            layer, total = self.layer(level), drive
            if level > 1:
                total = layer.add_input(str(level - 1), sent[str(level - 1)], layer.unit_bias())
            if "label" in layer.sources:
                codes = layer.connection("label")
                assert isinstance(codes, Codes)
                total = total + (codes.neutral() if labels is None else codes(labels))
            activities[level], slopes[level] = layer.activation(total)
            if level < len(self.layers):
                sent[str(level)] = layer.send(activities[level])
        if labels is not None:
            sent["label"] = labels
        return Step(sent, activities, slopes, frozenset({"0"}))

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
        if self.labelled:
            yield self.climb(encoding.input, encoding.drive[1], candidates.unsqueeze(2))
        else:
            yield encoding.step

    def label_score(self, level: int, step: Step, candidates: Tensor) -> Tensor:
        """Sharpness times the score of every candidate label, or a layer's goodness for it."""
        if self.labelled:
            return super().label_score(level, step, candidates)
        value = self.layer(level).goodness.value(step.activities[level][:, 0])
        return value.gather(1, candidates) * self.config.sharpnesses[level - 1]

"""Convolutional networks whose layers learn from class scores of their own.

Levels are numbered from the image (0) to the last hidden layer. Activities have shape `(batch, 1, units)`:
maps, ordered place by place.
"""

from collections.abc import Iterator

import torch
from einops import rearrange
from torch import Tensor

from ffrec.config import ConfigError, ConvolutionalConfig
from ffrec.learning.fields import Convolution
from ffrec.learning.goodness import Goodness, normalise
from ffrec.learning.scores import OnGrid
from ffrec.learning.transform import Standardise
from ffrec.learning.update import Step
from ffrec.networks.network import Encoding, Network
from ffrec.networks.readout import Readout
from ffrec.registry import pick, register


@register("network", "convolutional")
class Convolutional(Network):
    """With ∗ a convolution, z(·) standardised channels and A learnt or random class scores:

        hₗ = max(0, pool(z(hₗ₋₁) ∗ Wₗ) + bₗ),    sₗ = n(grid(hₗ)) Aₗ,    p(class) = softmax(Σₗ sₗ)

    Each layer learns from the cross-entropy of its own scores. Sources: Mono-Forward (learnt scores), ASGE
    (random ones), on the nets of Nøkland and Eidnes 2019.
    """

    config: ConvolutionalConfig

    def __init__(
        self, config: ConvolutionalConfig, inputs: int, classes: int, generator: torch.Generator
    ) -> None:
        super().__init__(config, classes)
        self.scored = config.read
        self.colours, side = colours(inputs)
        self.standardise = Standardise(self.colours)
        self.maps = [(self.colours, side, side)]
        """Channels, height and width of every level."""
        kernels, pools = config.each("kernel"), config.each("pool")
        for level, channels in enumerate(config.hidden, 1):
            kernel = kernels[level - 1]
            try:
                connection = Convolution(
                    self.maps[-1], channels, kernel, generator, padding=kernel // 2, pool=pools[level - 1]
                )
                self.maps.append(connection.map)
                self.layers.append(self.make_layer(level, {str(level - 1): connection}, generator))
            except ValueError as error:
                raise ConfigError(f"hidden layer {level}: {error}") from None
            if level < len(config.hidden):  # the last one sends to none
                self.layer(level).standardise = Standardise(channels)
        pooled = [config.pooled[level - 1] for level in config.read]
        self.readout = Readout(sum(pooled), classes)

    def make_goodness(self, level: int, units: int, generator: torch.Generator) -> Goodness:
        del units
        pooled, grid = self.config.pooled[level - 1], self.config.each("grid")[level - 1]
        scores = pick("goodness", self.config.goodness).for_layer(pooled, self.classes, generator)
        return OnGrid(scores, self.maps[level], grid)

    def encode(self, x: Tensor) -> Encoding:
        """A pass over `(batch, inputs)`, colour by colour."""
        rows = rearrange(x, "b (colour place) -> b 1 (place colour)", colour=self.colours)
        sent = {"0": self.standardise(rows, self.layer(1).exchange).to(self.dtype)}
        activities, slopes = {}, {}
        for level in self.levels:
            layer = self.layer(level)
            total = layer.add_input(str(level - 1), sent[str(level - 1)], layer.unit_bias())
            activities[level], slopes[level] = layer.activation(total)
            if level < len(self.layers):
                sent[str(level)] = layer.send(activities[level])
        return Encoding(sent["0"], {}, Step(sent, activities, slopes))

    def features(self, encoding: Encoding) -> Tensor:
        """Activities of the levels that the softmax reads, averaged over the grid and normalised:
        `(batch, Σ grid² · channels)`."""
        found = []
        for level in self.config.read:
            goodness = self.layer(level).goodness
            assert isinstance(goodness, OnGrid)
            found.append(normalise(goodness.pooled(encoding.step.activities[level][:, 0])))
        return torch.cat(found, dim=1).to(self.dtype)

    def steps(self, encoding: Encoding, candidates: Tensor, count: int = 1) -> Iterator[Step]:
        """One pass: class scores need no candidates."""
        del candidates, count
        yield encoding.step

    def label_score(self, level: int, step: Step, candidates: Tensor) -> Tensor:
        """Sharpness times the score of every candidate label."""
        value = self.layer(level).goodness.value(step.activities[level][:, 0])
        return value.gather(1, candidates) * self.config.sharpnesses[level - 1]


def colours(inputs: int) -> tuple[int, int]:
    """Colours and side of square images of so many pixels; raises ConfigError if there are none."""
    for count in (1, 3):
        side = round((inputs / count) ** 0.5)
        if count * side**2 == inputs:
            return count, side
    raise ConfigError(
        f"convolutions: expected square images, grey or of three colours, found {inputs} pixels"
    )

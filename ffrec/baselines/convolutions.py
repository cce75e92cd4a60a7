"""Convolutions for images: what backpropagation is measured on, beside local class scores."""

from collections.abc import Sequence

import torch
from einops import rearrange
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d, cross_entropy, max_pool2d

from ffrec.config import ConfigError, ConvolutionalBackpropConfig
from ffrec.data.draws import Draws
from ffrec.data.images import silence
from ffrec.learning.goodness import normalise
from ffrec.learning.update import Step
from ffrec.networks.maps import colours
from ffrec.networks.network import Classifier, Encoding
from ffrec.registry import register


class Softmax(nn.Linear):
    """The softmax that predicts, and beside it those that layers have for a loss of their own: the optimiser
    steps them all alike."""

    def __init__(self, inputs: int, classes: int, widths: Sequence[int]) -> None:
        super().__init__(inputs, classes)
        self.heads = nn.ModuleList(nn.Linear(width, classes) for width in widths)


@register("network", "backprop-convolutional")
class Convolutions(Classifier):
    """The layers of `Convolutional`, to be trained by backpropagation. With z(·) batch normalisation:

        hₗ = max(0, pool(z(hₗ₋₁) ∗ Wₗ + bₗ)),    p(class) = softmax([n(grid(hₗ)) …] U + a)

    Weights are from N(0, 2 / fan-in) (He et al. 2015). While it learns, z uses the moments of a batch;
    afterwards their running means. Raises ConfigError if a grid does not divide a map's sides.
    """

    def __init__(
        self, config: ConvolutionalBackpropConfig, inputs: int, classes: int, generator: torch.Generator
    ) -> None:
        super().__init__()
        self.config, self.classes = config, classes
        self.colours, self.side = colours(inputs)
        channels = (self.colours, *config.hidden)
        self.layers = nn.ModuleList(
            nn.Conv2d(channels[at], channels[at + 1], kernel, padding=kernel // 2)
            for at, kernel in enumerate(config.each("kernel"))
        )
        self.moments = nn.ModuleList(nn.BatchNorm2d(count, affine=False) for count in channels[:-1])
        read = sum(config.pooled[level - 1] for level in config.read)
        self.readout: Softmax = Softmax(read, classes, config.pooled * config.every_layer)
        side = self.side
        for level, (pool, grid) in enumerate(zip(config.each("pool"), config.each("grid"), strict=True), 1):
            side //= pool
            if not side or side % grid:
                raise ConfigError(
                    f"hidden layer {level}: expected a grid that divides {side} places, found {grid}"
                )
        self.draw(generator)

    def draw(self, generator: torch.Generator) -> None:
        """New weights; biases, and what reads the layers, begin at zero."""
        with torch.no_grad():
            for parameter in self.parameters():
                parameter.zero_()
            for name, weight in self.layers.named_parameters():
                if name.endswith("weight"):
                    weight.normal_(0, (2 / weight[0].numel()) ** 0.5, generator=generator)
        self.layers.requires_grad_(self.config.learns == "all")

    def encode(self, x: Tensor, draws: Draws | None = None) -> Encoding:
        """Maps of every level, 0 being the image, of `(batch, pixels)`; with draws it learns, and some of
        each hidden layer is set to zero."""
        maps = rearrange(x, "b (c y x) -> b c y x", c=self.colours, y=self.side)
        h, learns = maps.contiguous(memory_format=torch.channels_last), draws is not None
        activities = {0: h}
        for level, layer in enumerate(self.layers, 1):
            z = self.moments[level - 1].train(learns)(h)
            h = max_pool2d(layer(z), self.config.each("pool")[level - 1]).relu()
            if draws is not None and self.config.hidden_dropout:
                share = self.config.hidden_dropout
                h = silence(h, share, draws) / (1 - share)
            activities[level] = h
        return Encoding(activities[0], {}, Step({}, activities))

    def pooled(self, level: int, encoding: Encoding) -> Tensor:
        """What reads a level sees, `(batch, grid² · channels)`."""
        h = encoding.step.activities[level]
        means = avg_pool2d(h, h.shape[2] // self.config.each("grid")[level - 1])
        return normalise(means.flatten(1))

    def features(self, encoding: Encoding) -> Tensor:
        """What the softmax reads, of all levels that it reads."""
        return torch.cat([self.pooled(level, encoding) for level in self.config.read], dim=1)

    def loss(self, encoding: Encoding, labels: Tensor) -> Tensor:
        """The cross-entropy of the softmax, and of those that layers have, `()`."""
        logits = [self.logits(encoding)]
        logits += [head(self.pooled(level, encoding)) for level, head in enumerate(self.readout.heads, 1)]
        smoothing = self.config.label_smoothing
        losses = [cross_entropy(each, labels, label_smoothing=smoothing) for each in logits]
        return torch.stack(losses).sum()

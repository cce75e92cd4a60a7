"""A multilayer perceptron for images: what backpropagation is measured on."""

from itertools import pairwise
from typing import final

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from ffrec.config import BackpropConfig
from ffrec.data.draws import Draws
from ffrec.data.images import silence
from ffrec.learning.fields import Bands
from ffrec.learning.goodness import normalise
from ffrec.learning.update import Step
from ffrec.networks.maps import colours, contrast, local_fields
from ffrec.networks.network import Classifier, Encoding
from ffrec.registry import register


@register("network", "backprop")
class Perceptron(Classifier):
    """A net of rectified layers on images of unit mean square, with a softmax on the last: to be trained by
    backpropagation. hₗ = max(0, hₗ₋₁ Wₗ + bₗ), weights from N(0, 2 / fan-in) (He et al. 2015).
    """

    def __init__(self, config: BackpropConfig, pixels: int, classes: int, generator: torch.Generator) -> None:
        super().__init__()
        self.config, self.classes = config, classes
        units = [pixels, *config.hidden]
        if config.field is None:
            self.layers = nn.ModuleList(linear(*pair, generator) for pair in pairwise(units))
        else:
            connect, self.colours = local_fields(config.field, pixels, config.hidden), colours(pixels)[0]
            self.layers = nn.ModuleList(LocalLinear(connect(*pair, generator)) for pair in pairwise(units))
        self.readout = nn.Linear(sum(units[level] for level in config.read), classes)
        nn.init.zeros_(self.readout.weight)
        nn.init.zeros_(self.readout.bias)
        self.layers.requires_grad_(config.learns == "all")

    def encode(self, x: Tensor, draws: Draws | None = None) -> Encoding:
        """Activities of every level, 0 being the image, of `(batch, pixels)`; with draws some of each hidden
        layer's are set to zero."""
        h = normalise(x if self.config.field is None else contrast(x, self.colours))
        activities = {0: h}
        for level, layer in enumerate(self.layers, 1):
            h = layer(h).relu()
            if draws is not None and self.config.hidden_dropout:
                share = self.config.hidden_dropout
                h = silence(h, share, draws) / (1 - share)
            activities[level] = normalise(h) if self.config.learns == "softmax" else h
        return Encoding(activities[0], {}, Step({}, activities))

    def loss(self, encoding: Encoding, labels: Tensor) -> Tensor:
        """The cross-entropy of the softmax, `()`."""
        return cross_entropy(self.logits(encoding), labels, label_smoothing=self.config.label_smoothing)

    def features(self, encoding: Encoding) -> Tensor:
        """Activities of the levels that the softmax reads, `(batch, Σ units)`."""
        return torch.cat([encoding.step.activities[level] for level in self.config.read], dim=1)


def linear(below: int, units: int, generator: torch.Generator) -> nn.Linear:
    """A layer with full connectivity: new weights, and biases of zero."""
    made = nn.Linear(below, units)
    nn.init.zeros_(made.bias)
    nn.init.normal_(made.weight, 0, (2 / below) ** 0.5, generator=generator)
    return made


@final
class LocalLinear(nn.Module):
    """x (W ⊙ M) + b, W and M being weights and mask of receptive fields: autograd knows no mask of theirs."""

    def __init__(self, fields: Bands) -> None:
        super().__init__()
        self.fields, self.bias = fields, nn.Parameter(torch.zeros(fields.units))
        fields.weight.mul_(2**0.5)

    def forward(self, x: Tensor) -> Tensor:
        return self.fields.product(x, self.fields.weight * self.fields.mask) + self.bias

"""A multilayer perceptron for images: what backpropagation is measured on."""

from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from ffrec.config import BackpropConfig
from ffrec.data.draws import Draws
from ffrec.data.images import silence
from ffrec.learning.goodness import normalise
from ffrec.learning.update import Step
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
        self.layers = nn.ModuleList(nn.Linear(*pair) for pair in pairwise(units))
        self.readout = nn.Linear(sum(units[level] for level in config.read), classes)
        with torch.no_grad():
            for parameter in self.parameters():
                parameter.zero_()
            for name, weight in self.layers.named_parameters():
                if name.endswith("weight"):
                    weight.normal_(0, (2 / weight.shape[1]) ** 0.5, generator=generator)
        self.layers.requires_grad_(config.learns == "all")

    def encode(self, x: Tensor, draws: Draws | None = None) -> Encoding:
        """Activities of every level, 0 being the image, of `(batch, pixels)`; with draws some of each hidden
        layer's are set to zero."""
        h = normalise(x)
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

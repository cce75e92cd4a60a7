"""The next-character network: a window of characters below, hidden layers, a softmax back to the input."""

from collections.abc import Iterator
from itertools import pairwise

import torch
from torch import Tensor

from ffrec.config import CharacterConfig
from ffrec.learning.connection import Codes, Connection
from ffrec.learning.update import Step
from ffrec.networks.network import Encoding
from ffrec.networks.text.network import TextNetwork
from ffrec.registry import pick, register


@register("network", "character")
class Character(TextNetwork):
    """Hinton 2022 §4.1 and figure 4. With n(·) the normalisation and c the one-of-N codes of a window's
    characters, scaled to unit mean square:

        h₁ = act(c W₁ + b₁),    hₗ = act(n(hₗ₋₁) Wₗ + bₗ),    p(next) = softmax([n(h₁) … n(h_L)] V + a)
    """

    config: CharacterConfig
    predictors, leading = ("softmax",), "softmax"

    def __init__(self, config: CharacterConfig, symbols: int, generator: torch.Generator) -> None:
        super().__init__(config, symbols)
        self.passage, self.tried = config.window + config.lookahead, None
        connect = pick("connection", config.connection)
        for level, (below, units) in enumerate(pairwise((symbols, *config.hidden)), 1):
            connection: Connection = (
                Codes(symbols, units, generator, self.passage, fading=config.fading)
                if level == 1
                else connect(below, units, generator)
            )
            self.layers.append(self.make_layer(level, {str(level - 1): connection}, generator))
        self.shape_first_layer(self.layer(1).connection("0"), self.passage)

    def encode(self, x: Tensor, state: Tensor | None = None) -> Encoding:
        """A pass over windows of codes `(cases, window)`, or over passages `(cases, window + 1)` that end in
        the character after a window; if that one is missing, it is neutral. There are no states."""
        del state
        codes = x.unsqueeze(1)
        sent, activities, slopes = {"0": codes}, {}, {}
        for level in self.levels:
            layer = self.layer(level)
            total = layer.add_input(str(level - 1), sent[str(level - 1)], layer.unit_bias())
            activities[level], slopes[level] = layer.activation(total)
            sent[str(level)] = layer.send(activities[level])
        return Encoding(codes, {}, Step(sent, activities, slopes))

    def steps(self, encoding: Encoding, candidates: Tensor, count: int = 1) -> Iterator[Step]:
        """One pass: a passage holds its candidate, the character after the window, already."""
        del candidates, count
        yield encoding.step

    def by_predictor(self, encoding: Encoding) -> dict[str, Tensor]:
        return {"softmax": self.softmax(encoding)}

    def step_of(self, passages: Tensor, state: Tensor | None = None) -> Step:
        return self.encode(passages, state).step

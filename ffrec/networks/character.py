"""The next-character network: a window of characters below, hidden layers, and a softmax back to the input.

Characters are codes, 0 to symbols − 1. A window has shape `(cases, window)`, activities `(cases, units)`.
"""

from collections.abc import Iterator
from itertools import pairwise

import torch
from torch import Tensor

from ffrec.config import CharacterConfig
from ffrec.data.draws import Draws
from ffrec.data.sampling import draw, sharpen
from ffrec.learning.connection import Codes, Connection
from ffrec.learning.update import Step
from ffrec.networks.memory import Memory
from ffrec.networks.network import Encoding, Network
from ffrec.networks.readout import Readout
from ffrec.registry import pick, register

BATCH = 10_000  # windows evaluated together; bounds memory and changes no result


def windows_of(strings: Tensor, size: int) -> Tensor:
    """Every window of every string `(strings, length)`: `(strings, length − size + 1, size)`."""
    return strings.unfold(1, size, 1)


@register("network", "character")
class Character(Network):
    """Hinton 2022 §4.1 and figure 4. With n(·) the normalisation and c the one-of-N codes of a window's
    characters, scaled to unit mean square:

        h₁ = act(c W₁ + b₁),    hₗ = act(n(hₗ₋₁) Wₗ + bₗ),    p(next) = softmax([n(h₁) … n(h_L)] V + a)

    The softmax never changes a hidden layer. With a memory, p(next) is a mixture of the softmax and of what a
    `Memory` of the same hidden state recalls.
    """

    config: CharacterConfig

    def __init__(self, config: CharacterConfig, symbols: int, generator: torch.Generator) -> None:
        super().__init__(config, symbols)
        self.symbols = symbols
        self.passage = config.window + config.lookahead
        connect = pick("connection", config.connection)
        for level, (below, units) in enumerate(pairwise((symbols, *config.hidden)), 1):
            connection: Connection = (
                Codes(symbols, units, generator, self.passage)
                if level == 1
                else connect(below, units, generator)
            )
            self.layers.append(self.make_layer(level, {str(level - 1): connection}, generator))
        self.read = config.reads or tuple(self.levels)
        self.readout = Readout(sum(config.hidden[level - 1] for level in self.read), symbols)
        self.memory = Memory(config.memory, symbols) if config.memory else None
        self.shape_first_layer()

    def shape_first_layer(self) -> None:
        """Scale initial weights by recency^(characters since); what a window sends keeps a variance of 1, and
        so does the character after it."""
        size, first = self.config.window, self.layer(1)
        scale = self.config.recency ** torch.arange(size - 1, -1, -1.0)
        scale = torch.cat([scale / scale.norm(), torch.ones(self.passage - size)]) * self.passage**0.5
        first.connection("0").weight.view(self.passage, self.symbols, -1).mul_(scale[:, None, None])
        first.bias.fill_(self.config.bias)

    @property
    def device(self) -> torch.device:
        """Where the network is."""
        return self.readout.weight.device

    def encode(self, x: Tensor) -> Encoding:
        """A pass over windows of codes `(cases, window)`, or over passages `(cases, window + 1)` that end in
        the character after a window; if that one is missing, it is neutral."""
        codes = x.unsqueeze(1)
        sent, activities, slopes = {"0": codes}, {}, {}
        for level in self.levels:
            layer = self.layer(level)
            total = layer.add_input(str(level - 1), sent[str(level - 1)], layer.unit_bias())
            activities[level], slopes[level] = layer.activation(total)
            sent[str(level)] = layer.send(activities[level])
        return Encoding(codes, {}, Step(sent, activities, slopes))

    def features(self, encoding: Encoding, cases: int | None = None) -> Tensor:
        """What the softmax and the memory read, `(cases, Σ units)`, of all cases or of the first ones."""
        read = [encoding.step.inputs[str(level)][:cases, 0] for level in self.read]
        return read[0] if len(read) == 1 else torch.cat(read, dim=1)

    def steps(self, encoding: Encoding, candidates: Tensor, count: int = 1) -> Iterator[Step]:
        """One pass: a passage holds its candidate, the character after the window, already."""
        del candidates, count
        yield encoding.step

    def predict(self, windows: Tensor) -> Tensor:
        """log p of the next character, `(cases, symbols)`, after windows `(cases, window)`."""
        return self.mix(*self.predictions(windows))

    def predictions(self, windows: Tensor) -> tuple[Tensor, Tensor | None]:
        """log p of the next character `(cases, symbols)`, by the softmax and by the memory if filled."""
        features = self.features(self.encode(windows))
        softmax: Tensor = self.readout(features).log_softmax(1)
        return softmax, self.memory.recall(features) if self.memory and self.memory.filled else None

    def cases(self, strings: Tensor) -> tuple[Tensor, Tensor]:
        """All windows that have a character after them, `(cases, window)`, and that character `(cases,)`."""
        size = self.config.window
        return windows_of(strings, size)[:, :-1].reshape(-1, size), strings[:, size:].flatten()

    def log_likelihood(self, strings: Tensor) -> tuple[Tensor, Tensor | None]:
        """log p of every character that has a whole window before it, `(strings, length − window)`, by the
        softmax and by the memory if it holds anything; `mix` makes one of them."""
        windows, following = self.cases(strings)
        found = []
        for part, wanted in zip(windows.split(BATCH), following[:, None].split(BATCH), strict=True):
            found.append([p.gather(1, wanted) for p in self.predictions(part) if p is not None])
        softmax, *recalled = (torch.cat(parts).view(len(strings), -1) for parts in zip(*found, strict=True))
        return softmax, recalled[0] if recalled else None

    def mix(self, softmax: Tensor, recalled: Tensor | None) -> Tensor:
        """One prediction out of the softmax's and the memory's, all log p of any one shape."""
        return softmax if recalled is None or self.memory is None else self.memory.mix(softmax, recalled)

    def remember(self, strings: Tensor) -> None:
        """Fill the memory, if there is one, from strings."""
        if self.memory is not None:
            windows, following = self.cases(strings)
            states = [self.features(self.encode(part)) for part in windows.split(BATCH)]
            self.memory.store(torch.cat(states), following)

    def passages(self, strings: Tensor) -> Tensor:
        """All passages of strings, with the character after the window if layers see it: `(cases,
        passage)`."""
        return windows_of(strings, self.passage).flatten(0, 1)

    def goodness_of(self, strings: Tensor) -> Tensor:
        """Every layer's mean goodness over the passages of every string: `(layers, strings)`."""
        goodness = []
        for part in self.passages(strings).split(BATCH):
            activities = self.encode(part).step.activities
            found = [self.layer(level).goodness_of(h).squeeze(1) for level, h in activities.items()]
            goodness.append(torch.stack(found))
        return torch.cat(goodness, dim=1).view(len(self.layers), len(strings), -1).mean(2)

    def generate(
        self,
        context: Tensor,
        length: int,
        draws: Draws,
        temperature: float = 1.0,
        top_k: int | None = None,
        top_p: float = 1.0,
    ) -> Tensor:
        """Continue contexts `(strings, characters ≥ window)` by `length` characters that the network
        predicts.

        All strings are written as one batch on the device, and nothing leaves it. Returns context and
        continuation, `(strings, characters + length)`. Negative strings are generated so (§4.1).
        """
        size, start = self.config.window, context.shape[1]
        strings = torch.cat([context, context.new_empty(len(context), length)], dim=1)
        for place in range(start, start + length):
            log_p = self.predict(strings[:, place - size : place])
            strings[:, place] = draw(sharpen(log_p, temperature, top_k, top_p), draws)
        return strings

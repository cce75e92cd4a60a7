"""The next-character network: a window of characters below, hidden layers, and a softmax back to the input.

Characters are codes, 0 to symbols − 1. A window has shape `(cases, window)`, activities `(cases, units)`.
"""

from itertools import pairwise
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.functional import embedding_bag

from ffrec.config import CharacterConfig
from ffrec.data.sampling import draw, sharpen
from ffrec.learning.connection import Full
from ffrec.learning.goodness import Logistic, Squares
from ffrec.learning.layer import Layer, Readout, Stack, normalise
from ffrec.networks.memory import Memory

BATCH = 10_000  # windows evaluated together; bounds memory and changes no result


class Seen(NamedTuple):
    """What passages of text do to the network: hidden levels count from 1, at index 0."""

    rows: Tensor
    """Rows of the first layer's weights that the characters pick, `(cases, characters)`."""
    activities: list[Tensor]
    sources: list[Tensor]
    """Normalised activities: what each level sends."""


def windows_of(strings: Tensor, size: int) -> Tensor:
    """Every window of every string `(strings, length)`: `(strings, length − size + 1, size)`."""
    return strings.unfold(1, size, 1)


class Character(nn.Module):
    """Hinton 2022 §4.1 and figure 4. With n(·) = `normalise` and c the one-hot code of a window's characters,
    scaled to unit mean square:

        h₁ = max(0, c W₁ + b₁),    hₗ = max(0, n(hₗ₋₁) Wₗ + bₗ),    p(next) = softmax([n(h₁) … n(h_L)] V + a)

    The product c W₁ is a sum of picked rows. The softmax never changes a hidden layer. With a memory,
    p(next) is a mixture of the softmax and of what a `Memory` of the same hidden state recalls.
    """

    def __init__(self, config: CharacterConfig, symbols: int, generator: torch.Generator) -> None:
        super().__init__()
        self.config, self.symbols = config, symbols
        self.passage = config.window + config.lookahead
        self.goodness = Squares(config.sign)
        judges = [Logistic(*pair) for pair in zip(config.thresholds, config.sharpnesses, strict=True)]
        self.layers = nn.ModuleList()
        for level, (fan_in, units) in enumerate(pairwise((self.passage * symbols, *config.hidden))):
            wiring = {str(level): Full(fan_in, units)}
            self.layers.append(Layer(wiring, self.goodness, judges[level], config, generator))
        self.reads = [level - 1 for level in config.reads] or list(range(len(config.hidden)))
        self.readout = Readout(sum(config.hidden[i] for i in self.reads), symbols)
        self.stack = Stack()
        self.memory = Memory(config.memory, symbols) if config.memory else None
        self.register_buffer("offsets", torch.arange(self.passage) * symbols, persistent=False)
        self.offsets: Tensor
        self.shape_first_layer()

    def shape_first_layer(self) -> None:
        """Scale initial weights by recency^(characters since); what a window sends keeps a variance of 1, and
        so does the character after it."""
        size, first = self.config.window, self.layer(0)
        scale = self.config.recency ** torch.arange(size - 1, -1, -1.0)
        scale = torch.cat([scale / scale.norm(), torch.ones(self.passage - size)]) * self.passage**0.5
        first.weights["0"].view(self.passage, self.symbols, -1).mul_(scale[:, None, None])
        first.bias.fill_(self.config.bias)

    def layer(self, index: int) -> Layer:
        """A hidden layer, counted from 0."""
        layer = self.layers[index]
        assert isinstance(layer, Layer)
        return layer

    def look(self, passages: Tensor) -> Seen:
        """Activities of every hidden layer for windows `(cases, window)`, or for passages
        `(cases, window + 1)` that end in the character after a window; if it is missing, all count alike."""
        first, weights = self.layer(0), self.layer(0).weights["0"]
        rows = passages + self.offsets[: passages.shape[1]]
        total = embedding_bag(rows, weights, mode="sum")
        if passages.shape[1] < self.passage:
            total += weights[-self.symbols :].mean(0)  # the neutral label of §3.3
        activities = [total.mul_(self.symbols**0.5).add_(first.bias).relu_()]
        sources = [normalise(activities[0])]
        for index in range(1, len(self.layers)):
            layer = self.layer(index)
            activities.append(layer.send(str(index), sources[-1], layer.bias).relu_())
            sources.append(normalise(activities[-1]))
        return Seen(rows, activities, sources)

    def features(self, seen: Seen) -> Tensor:
        """What the softmax and the memory see, `(cases, Σ units)`."""
        read = [seen.sources[i] for i in self.reads]
        return read[0] if len(read) == 1 else torch.cat(read, dim=1)

    def predict(self, windows: Tensor) -> Tensor:
        """log p of the next character, `(cases, symbols)`, after windows `(cases, window)`."""
        return self.mix(*self.predictions(windows))

    def predictions(self, windows: Tensor) -> tuple[Tensor, Tensor | None]:
        """log p of the next character `(cases, symbols)`, by the softmax and by the memory if filled."""
        features = self.features(self.look(windows))
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
            states = [self.features(self.look(part)) for part in windows.split(BATCH)]
            self.memory.store(torch.cat(states), following)

    def clear(self) -> None:
        """Set the gradients of all hidden layers to zero."""
        for index in range(len(self.layers)):
            self.layer(index).clear()

    def learn(self, seen: Seen, sign: float) -> tuple[Tensor, Tensor]:
        """Add to every hidden layer's gradients what positive (sign +1) or negative (−1) passages teach it.

        The loss is −mean log p(correct) over passages, in each layer for itself. Returns, per layer, that
        loss and the share of passages on the right side of the threshold.
        """
        correct = seen.activities[0].new_tensor([sign])
        scale, measured = 1 / len(seen.rows), []
        for index, h in enumerate(seen.activities):
            layer, goodness = self.layer(index), self.goodness.value(h).unsqueeze(1)
            out = self.stack.slot(f"delta {index}", 0, 1, h).unsqueeze(1)
            delta = layer.delta(h.unsqueeze(1), goodness, correct, out).squeeze(1)
            if index == 0:
                code = h.new_zeros(len(h), self.passage * self.symbols).scatter_(1, seen.rows, 1.0)
                layer.accumulate("0", code, delta, correct, scale * self.symbols**0.5)
            else:
                layer.accumulate(str(index), seen.sources[index - 1], delta, correct, scale)
            layer.accumulate_bias(delta, scale)
            layer.note(goodness.mean(), correct)
            right = sign * (goodness - layer.logistic.threshold) > 0
            loss = -layer.logistic.log_p_correct(goodness, correct).mean()
            measured.append(torch.stack([loss, right.mean(dtype=loss.dtype)]))
        loss, right = torch.stack(measured, dim=1)
        return loss, right

    def goodness_of(self, strings: Tensor) -> Tensor:
        """Every layer's mean goodness over the passages of every string: `(layers, strings)`."""
        passages = windows_of(strings, self.passage)
        goodness = [
            torch.stack([self.goodness.value(h) for h in self.look(part).activities])
            for part in passages.flatten(0, 1).split(BATCH)
        ]
        return torch.cat(goodness, dim=1).view(len(self.layers), *passages.shape[:2]).mean(2)

    def write(
        self,
        context: Tensor,
        length: int,
        generator: torch.Generator,
        temperature: float = 1.0,
        top_k: int | None = None,
        top_p: float = 1.0,
    ) -> Tensor:
        """Continue contexts `(strings, characters ≥ window)` by `length` characters of the network's own.

        All strings are written as one batch on the device, and nothing leaves it. Returns context and
        continuation, `(strings, characters + length)`. This is how negative strings are dreamt (§4.1).
        """
        size, start = self.config.window, context.shape[1]
        strings = torch.cat([context, context.new_empty(len(context), length)], dim=1)
        for place in range(start, start + length):
            log_p = self.predict(strings[:, place - size : place])
            strings[:, place] = draw(sharpen(log_p, temperature, top_k, top_p), generator)
        return strings

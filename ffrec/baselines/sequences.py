"""Networks that read a text from its beginning on: a transformer and an LSTM, of torch's own layers, which
backpropagation trains."""

import math
from abc import ABC, abstractmethod
from collections.abc import Callable
from itertools import pairwise
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from ffrec.networks.text.pool import fit_exponents, most_characters, tempered

CONTEXT = 64  # characters that are learnt from at once, and that the transformer sees
WARM_UP = 100  # updates in which the rate rises
LOWEST = 0.1  # of the rate, at the end
BATCH = 50  # strings evaluated together; bounds memory


class Sequence(nn.Module, ABC):
    """Logits of the character after each one of strings of codes; what is predicted is their softmax to the
    power of `exponent`, normalised (`tempered`)."""

    exponent = 1.0

    batch: ClassVar[int]
    """Passages of a weight update."""
    arithmetic: ClassVar[torch.dtype]
    """Of the products while it learns: the one that is faster on a CPU."""

    def __init__(self, symbols: int, width: int) -> None:
        super().__init__()
        self.embedding, self.readout = nn.Embedding(symbols, width), nn.Linear(width, symbols)

    @abstractmethod
    def forward(self, codes: Tensor) -> Tensor:
        """Codes `(strings, characters)` to logits `(strings, characters, symbols)`."""

    @abstractmethod
    def predictions(self, strings: Tensor, start: int) -> Tensor:
        """log p of every symbol in place of every character from `start` on, `(strings, length − start,
        symbols)`."""

    def log_likelihood(self, strings: Tensor, start: int) -> Tensor:
        """log p of every character from `start` on, `(strings, length − start)`."""
        log_p = tempered(self.predictions(strings, start), self.exponent)
        return log_p.gather(2, strings[:, start:, None]).squeeze(2)

    def calibrate(self, strings: Tensor, start: int) -> None:
        """Set the exponent to what makes the characters of held-out strings likeliest: `fit_exponents`."""
        symbols = self.readout.out_features
        used = strings[: -(-most_characters(1, symbols) // (strings.shape[1] - start))]
        log_p = torch.cat([self.predictions(part, start).flatten(0, 1).cpu() for part in used.split(BATCH)])
        (self.exponent,) = fit_exponents(log_p[:, None], used[:, start:].flatten(), torch.ones(1)).tolist()

    def loss(self, strings: Tensor) -> Tensor:
        """The mean cross-entropy of every character but the first of each string, `()`."""
        return cross_entropy(self(strings[:, :-1]).flatten(0, 1).float(), strings[:, 1:].flatten())

    def last(self, strings: Tensor, count: int) -> Tensor:
        """log p of every symbol in place of the last characters of strings, `(strings, count, symbols)`."""
        log_p: Tensor = self(strings[:, :-1])[:, -count:].float().log_softmax(2)
        return log_p

    def draw(self, generator: torch.Generator, size: float) -> None:
        """New weights from N(0, size²); biases are 0, and factors of a normalisation 1."""
        for name, parameter in self.named_parameters():
            if parameter.ndim > 1:
                nn.init.normal_(parameter, 0, size, generator=generator)
            else:
                nn.init.constant_(parameter, float("norm" in name and "weight" in name))


class Transformer(Sequence):
    """Four layers of four heads, 128 units and 64 characters, without dropout: the size that nanoGPT
    (Karpathy 2022) gives for a laptop. Normalisation comes before each part of a layer."""

    batch, arithmetic = 12, torch.float32

    def __init__(
        self, symbols: int, generator: torch.Generator, width: int = 128, layers: int = 4, heads: int = 4
    ) -> None:
        super().__init__(symbols, width)
        self.places = nn.Embedding(CONTEXT, width)
        layer = nn.TransformerEncoderLayer(
            width, heads, 4 * width, dropout=0.0, activation="gelu", batch_first=True, norm_first=True
        )
        self.layers = nn.TransformerEncoder(layer, layers, nn.LayerNorm(width), enable_nested_tensor=False)
        self.draw(generator, 0.02)

    def forward(self, codes: Tensor) -> Tensor:
        places = torch.arange(codes.shape[1], device=codes.device)
        mask = nn.Transformer.generate_square_subsequent_mask(codes.shape[1], device=codes.device)
        h = self.layers(self.embedding(codes) + self.places(places), mask, is_causal=True)
        logits: Tensor = self.readout(h)
        return logits

    def predictions(self, strings: Tensor, start: int) -> Tensor:
        """Half a context of characters at a time, so that each is predicted after half a context at least,
        where the string has so much before it."""
        length, step = strings.shape[1], CONTEXT // 2
        ends = pairwise([*range(start, length, step), length])
        parts = [self.last(strings[:, max(0, end - 1 - CONTEXT) : end], end - at) for at, end in ends]
        return torch.cat(parts, dim=1)


class LongShortTermMemory(Sequence):
    """One layer of 512 units that remember (Hochreiter and Schmidhuber 1997)."""

    batch, arithmetic = 32, torch.bfloat16

    def __init__(self, symbols: int, generator: torch.Generator, width: int = 128, units: int = 512) -> None:
        super().__init__(symbols, width)
        self.layer, self.readout = nn.LSTM(width, units, batch_first=True), nn.Linear(units, symbols)
        self.draw(generator, units**-0.5)

    def forward(self, codes: Tensor) -> Tensor:
        logits: Tensor = self.readout(self.layer(self.embedding(codes))[0])
        return logits

    def predictions(self, strings: Tensor, start: int) -> Tensor:
        return self.last(strings, strings.shape[1] - start)


def train(
    network: Sequence, strings: Tensor, done: Callable[[], float], seed: int, rate: float = 1e-3
) -> int:
    """Train on passages that are drawn from strings of codes `(n, length)`, until the share of the time that
    is `done` is 1. Returns the number of updates.

    AdamW, at a rate that rises in 100 updates, and falls with the cosine of that share to a tenth.
    """
    drawn, length = torch.Generator().manual_seed(seed), min(CONTEXT + 1, strings.shape[1])
    optimiser = torch.optim.AdamW(network.parameters(), rate, betas=(0.9, 0.99), weight_decay=0.1)
    updates, half = 0, network.arithmetic == torch.bfloat16
    while (share := done()) < 1:
        rows = torch.randint(len(strings), (network.batch, 1), generator=drawn)
        begin = torch.randint(strings.shape[1] - length + 1, (network.batch, 1), generator=drawn)
        passages = strings[rows, begin + torch.arange(length)]
        falling = LOWEST + (1 - LOWEST) * (1 + math.cos(math.pi * share)) / 2
        optimiser.param_groups[0]["lr"] = rate * falling * min(1.0, (updates + 1) / WARM_UP)
        with torch.enable_grad(), torch.autocast(strings.device.type, network.arithmetic, enabled=half):
            loss = network.loss(passages)
        optimiser.zero_grad()
        torch.autograd.backward(loss)
        optimiser.step()
        updates += 1
    return updates

"""What networks of characters have in common: windows, likelihoods, generated strings, and a memory.

Characters are codes, 0 to symbols − 1. A window has shape `(cases, window)`, activities `(cases, units)`.
Networks that carry a state along a string see one `(cases, 1, units)` beside every window; others, None.
"""

from abc import abstractmethod
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from itertools import islice, repeat

import torch
from torch import Tensor

from ffrec.config import TextNetworkConfig
from ffrec.data.draws import Draws
from ffrec.data.sampling import draw, sharpen
from ffrec.learning.connection import Connection
from ffrec.learning.update import Step
from ffrec.networks.network import Encoding, Network
from ffrec.networks.readout import Readout
from ffrec.networks.text.memory import Memory
from ffrec.networks.text.pool import pooled

BATCH = 10_000  # windows evaluated together; bounds memory and changes no result


def windows_of(strings: Tensor, size: int) -> Tensor:
    """Every window of every string `(strings, length)`: `(strings, length − size + 1, size)`."""
    return strings.unfold(1, size, 1)


class TextNetwork(Network):
    """A network that predicts the character after a window.

    A softmax reads what the hidden layers make of the window, and never changes them. Where there are several
    predictors they predict together, once exponents have been fitted. With a memory, the
    prediction is a mixture of the network's own and of what a `Memory` of the same hidden state recalls.
    """

    config: TextNetworkConfig
    batch = BATCH
    passage: int
    """Characters that the layers learn from at once."""
    tried: Tensor | None
    """Characters that are tried after every window, `(1, symbols)`; None if the layers try none."""
    predictors: tuple[str, ...]
    """The names of what predicts by itself."""
    leading: str
    """The predictor that predicts alone as long as there are no exponents."""

    def __init__(self, config: TextNetworkConfig, symbols: int) -> None:
        super().__init__(config, symbols)
        self.symbols = symbols
        self.read = config.reads or tuple(self.levels)
        self.readout = Readout(sum(config.hidden[level - 1] for level in self.read), symbols)
        self.memory = Memory(config.memory, symbols) if config.memory else None
        self.exponents: Mapping[str, float] = {}
        """Of the predictors' predictions in the network's own (`pooled`), once they have been fitted."""

    def shape_first_layer(self, window: Connection, positions: int) -> None:
        """Scale initial weights by recency^(characters since); what a window sends keeps a variance of 1, and
        so does the character after it, where one of the `positions` is its."""
        size = self.config.window
        scale = self.config.recency ** torch.arange(size - 1, -1, -1.0)
        scale = torch.cat([scale / scale.norm(), torch.ones(positions - size)]) * positions**0.5
        window.weight.view(positions, -1, window.units).mul_(scale[:, None, None])
        for level, bias in zip(self.levels, self.config.biases, strict=True):
            self.layer(level).bias.fill_(bias)

    @property
    def device(self) -> torch.device:
        """Where the network is."""
        return self.readout.weight.device

    @abstractmethod
    def encode(self, x: Tensor, state: Tensor | None = None) -> Encoding:
        """What windows, and the states beside them, do before any character is tried; no state is that of a
        string's beginning."""

    def carry(self, windows: Tensor, following: Tensor, state: Tensor | None) -> Tensor | None:
        """The state beside the next windows, when characters `(cases,)` have followed these."""
        del windows, following, state
        return None

    def states(self, strings: Tensor) -> Tensor | None:
        """The states beside all windows of `cases`; each string begins without one."""
        del strings
        return None

    def features(self, encoding: Encoding, cases: int | None = None) -> Tensor:
        """What the softmax and the memory read, `(cases, Σ units)`, of all cases or of the first ones."""
        read = [encoding.step.inputs[str(level)][:cases, 0] for level in self.read]
        return read[0] if len(read) == 1 else torch.cat(read, dim=1)

    def predict(self, windows: Tensor, state: Tensor | None = None) -> Tensor:
        """log p of the next character, `(cases, symbols)`, after windows `(cases, window)`."""
        return self.mix(self.predictions(windows, state))

    def predictions(self, windows: Tensor, state: Tensor | None = None) -> dict[str, Tensor]:
        """log p of the next character `(cases, symbols)`: by the network's `own` means, by each of its
        `predictors`, and by the `memory` if that holds anything."""
        encoding = self.encode(windows, state)
        parts = self.by_predictor(encoding)
        found = {"own": self.pool(parts), **parts}
        if self.memory is not None and self.memory.filled:
            found["memory"] = self.memory.recall(self.features(encoding))
        return found

    def softmax(self, encoding: Encoding) -> Tensor:
        """log q of the next character `(cases, symbols)`, by the softmax alone."""
        return self.logits(encoding).log_softmax(1)

    @abstractmethod
    def by_predictor(self, encoding: Encoding) -> dict[str, Tensor]:
        """log p of the next character `(cases, symbols)` by each of the `predictors`."""

    def pool(self, parts: Mapping[str, Tensor]) -> Tensor:
        """log p of the next character `(cases, symbols)` by all predictors with exponents, or by the leading
        one."""
        if not self.exponents:
            return parts[self.leading]
        found = torch.stack([parts[name] for name in self.exponents], dim=1)
        return pooled(found, found.new_tensor([*self.exponents.values()]))

    def cases(self, strings: Tensor) -> tuple[Tensor, Tensor]:
        """All windows that have a character after them, `(cases, window)`, and that character `(cases,)`."""
        size = self.config.window
        return windows_of(strings, size)[:, :-1].reshape(-1, size), strings[:, size:].flatten()

    def log_likelihood(self, strings: Tensor) -> dict[str, Tensor]:
        """log p of every character that has a whole window before it, `(strings, length − window)`, by each
        of the `predictions`; `mix` makes one of them."""
        found: dict[str, list[Tensor]] = defaultdict(list)
        for windows, following, state in self.batches(strings):
            for name, p in self.predictions(windows, state).items():
                found[name].append(p.gather(1, following[:, None]))
        return {name: torch.cat(parts).view(len(strings), -1) for name, parts in found.items()}

    def parts(self, strings: Tensor) -> tuple[Tensor, ...]:
        """Strings, as many at a time as have about `batch` windows."""
        count = max(1, self.batch // max(1, strings.shape[1] - self.config.window))
        return tuple(strings.split(count))

    def batches(self, strings: Tensor) -> Iterator[tuple[Tensor, Tensor, Tensor | None]]:
        """All `cases` and the states beside them, about `batch` at a time, however long a string is."""
        for part in self.parts(strings):
            windows, following = (cases.split(self.batch) for cases in self.cases(part))
            states = self.states(part)
            beside = repeat(None) if states is None else states.split(self.batch)
            yield from zip(windows, following, beside, strict=False)

    def mix(self, log_p: Mapping[str, Tensor]) -> Tensor:
        """One prediction out of the network's own and the memory's, all log p of any one shape."""
        if self.memory is None or "memory" not in log_p:
            return log_p["own"]
        return self.memory.mix(log_p["own"], log_p["memory"])

    def remember(self, strings: Tensor) -> None:
        """Fill the memory, if there is one, from strings."""
        if self.memory is not None:
            cases = self.batches(strings)
            read = [(self.features(self.encode(windows, state)), came) for windows, came, state in cases]
            self.memory.store(*(torch.cat(each) for each in zip(*read, strict=True)))

    @abstractmethod
    def step_of(self, passages: Tensor, state: Tensor | None = None) -> Step:
        """A pass over passages `(cases, passage)`, with one candidate, or the last of its iterations."""

    def passages(self, strings: Tensor) -> Tensor:
        """All passages of strings, with the character after the window if layers see it: `(cases,
        passage)`."""
        return windows_of(strings, self.passage).flatten(0, 1)

    def goodness_of(self, strings: Tensor) -> Tensor:
        """Every layer's mean goodness over the passages of every string: `(layers, strings)`."""
        found = []
        for part in self.parts(strings):
            step = self.step_of(self.passages(part), self.states(part))
            goodness = [self.layer(level).goodness_of(h).flatten() for level, h in step.activities.items()]
            found.append(torch.stack(goodness).view(len(self.layers), len(part), -1).mean(2))
        return torch.cat(found, dim=1)

    def continuation(
        self,
        context: Tensor,
        draws: Draws,
        temperature: float = 1.0,
        top_k: int | None = None,
        top_p: float = 1.0,
    ) -> Iterator[Tensor]:
        """The characters `(strings,)` that the network predicts after contexts `(strings, characters ≥
        window)`, one after another, without an end."""

        def choose(windows: Tensor, state: Tensor | None) -> Tensor:
            return draw(sharpen(self.predict(windows, state), temperature, top_k, top_p), draws)

        return self.written(context, choose)

    def generate(
        self,
        context: Tensor,
        length: int,
        draws: Draws,
        temperature: float = 1.0,
        top_k: int | None = None,
        top_p: float = 1.0,
    ) -> Tensor:
        """Contexts and the `length` characters after them, `(strings, characters + length)`."""
        return joined(context, length, self.continuation(context, draws, temperature, top_k, top_p))

    def dream(self, context: Tensor, length: int, draws: Draws, temperature: float = 1.0) -> Tensor:
        """Continue contexts as negative strings are written (§4.1): by the softmax alone."""

        def choose(windows: Tensor, state: Tensor | None) -> Tensor:
            return draw(sharpen(self.softmax(self.encode(windows, state)), temperature), draws)

        return joined(context, length, self.written(context, choose))

    def written(self, context: Tensor, choose: Callable[[Tensor, Tensor | None], Tensor]) -> Iterator[Tensor]:
        """The characters `(strings,)` after contexts that `choose` makes of windows and states.

        All strings are written as one batch on the device, and nothing leaves it.
        """
        size, state = self.config.window, None
        for place in range(size, context.shape[1]):
            state = self.carry(context[:, place - size : place], context[:, place], state)
        window = context[:, -size:]
        while True:
            chosen = choose(window, state)
            yield chosen
            state = self.carry(window, chosen, state)
            window = torch.cat([window[:, 1:], chosen.unsqueeze(1)], dim=1)


def joined(context: Tensor, length: int, characters: Iterator[Tensor]) -> Tensor:
    """Contexts `(strings, …)` with so many of the characters that follow, one by one."""
    return torch.cat([context, *(chosen.unsqueeze(1) for chosen in islice(characters, length))], dim=1)

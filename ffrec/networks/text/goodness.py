"""The next-character network that tries every character: each layer judges it by its goodness.

Activities have shape `(cases, candidates, units)`: candidates are the characters that may follow a window.
"""

from collections.abc import Iterator
from itertools import pairwise

import torch
from torch import Tensor

from ffrec.config import GoodnessCharacterConfig
from ffrec.learning.connection import Codes
from ffrec.learning.update import Step
from ffrec.networks.network import Encoding
from ffrec.networks.text.network import TextNetwork
from ffrec.registry import pick, register

BATCH = 30_000  # windows evaluated together, times the candidates of each


@register("network", "goodness-character")
class GoodnessCharacter(TextNetwork):
    """The next character s is tried like a label. With w the codes of the window, g the goodness, n(·) its
    normalisation and κ the sharpness:

        h₁ = act(w W₁ + s V + b₁),    hₗ = act(n(hₗ₋₁) Wₗ + bₗ),    pₗ(s) = softmax over s of κ Σₖ≤ₗ g(hₖ)

    Each layer learns from the cross-entropy of pₗ, with the goodness of the layers below held fixed; the last
    one predicts. A window may hold blanks, whose code is `symbols`. Source: ours, after Hinton 2022 §3.3.

    Goodness that negatives of the network's own have taught says how much likelier s is than they are. With q
    the softmax's prediction pₗ(s) is then that times q(s) if q wrote strings, or times q(s) (1 − q(s)) if one
    negative was drawn from q: `correction`.
    """

    config: GoodnessCharacterConfig
    tried: Tensor

    def __init__(self, config: GoodnessCharacterConfig, symbols: int, generator: torch.Generator) -> None:
        super().__init__(config, symbols)
        self.passage, self.batch = config.window + 1, max(1, BATCH // symbols)
        connect, first = pick("connection", config.connection), config.hidden[0]
        window = Codes(symbols + 1, first, generator, config.window, fading=config.fading)
        following = Codes(symbols, first, generator)
        following.weight.mul_(config.candidate_size)
        self.layers.append(self.make_layer(1, {"0": window, "next": following}, generator))
        for level, (below, units) in enumerate(pairwise(config.hidden), 2):
            connection = connect(below, units, generator)
            self.layers.append(self.make_layer(level, {str(level - 1): connection}, generator))
        self.shape_first_layer(window, config.window)
        window.weight.view(config.window, symbols + 1, -1)[:, symbols] = 0
        self.register_buffer("tried", torch.arange(symbols)[None], persistent=False)
        self.likeliest = config.likeliest

    def next_codes(self) -> Codes:
        """How the character after the window reaches the first layer."""
        codes = self.layer(1).connection("next")
        assert isinstance(codes, Codes)
        return codes

    def encode(self, x: Tensor) -> Encoding:
        """A pass over windows of codes `(cases, window)`, with the neutral character after each."""
        codes, drive = self.drive_of(x)
        step = self.climb({"0": codes}, drive + self.next_codes().neutral())
        return Encoding(codes, {1: drive}, step)

    def drive_of(self, windows: Tensor) -> tuple[Tensor, Tensor]:
        """Codes of windows, `(cases, 1, window)`, and what they and the bias send, `(cases, 1, units)`."""
        codes, first = windows.unsqueeze(1), self.layer(1)
        return codes, first.add_input("0", codes, first.unit_bias())

    def steps(self, encoding: Encoding, candidates: Tensor, count: int = 1) -> Iterator[Step]:
        """One pass with candidate characters `(cases, candidates)`, or `(1, candidates)` for all cases."""
        del count
        yield self.try_after(encoding.input, encoding.drive[1], candidates)

    def try_after(self, codes: Tensor, drive: Tensor, candidates: Tensor) -> Step:
        """A pass with candidate characters after windows, which are given by their codes and drive."""
        tried = candidates.unsqueeze(2)
        return self.climb({"0": codes, "next": tried}, drive + self.next_codes()(tried))

    def climb(self, inputs: dict[str, Tensor], total: Tensor) -> Step:
        """A pass up from the first layer's total input `(cases, candidates, units)`, which is overwritten."""
        sent, activities, slopes = dict(inputs), {}, {}
        for level in self.levels:
            layer = self.layer(level)
            if level > 1:
                total = layer.add_input(str(level - 1), sent[str(level - 1)], layer.unit_bias())
            activities[level], slopes[level] = layer.activate(total)
            if level < len(self.layers) or "next" not in inputs:
                sent[str(level)] = layer.send(activities[level])
        return Step(sent, activities, slopes, frozenset({"0"}))

    def judge(self, encoding: Encoding) -> dict[str, Tensor]:
        """By the goodness of all layers; by that of the layers up to each; by the softmax, which reads the
        pass with the neutral character."""
        softmax = self.softmax(encoding)
        by_layer = self.by_layer(encoding.input, encoding.drive[1], self.correction(softmax))
        found = {f"layer {level}": p for level, p in zip(self.levels, by_layer, strict=True)}
        return {"own": by_layer[-1], **found, "softmax": softmax}

    def correction(self, log_q: Tensor) -> Tensor | float:
        """log of what exp(κ Σ g) is multiplied by where it predicts, of the softmax's `log_q`."""
        if self.config.correction == "none":
            return 0.0
        return log_q if self.config.correction == "dreams" else log_q + torch.log1p(-log_q.exp())

    def predict(self, windows: Tensor) -> Tensor:
        """As every network for characters; by goodness alone it takes no pass with the neutral character."""
        if self.config.correction != "none" or (self.memory is not None and self.memory.filled):
            return super().predict(windows)
        return self.by_layer(*self.drive_of(windows))[-1]

    def by_layer(self, codes: Tensor, drive: Tensor, correction: Tensor | float = 0.0) -> list[Tensor]:
        """log pₗ of the next character, `(cases, symbols)`, layer by layer.

        With `likeliest` k, layers above the first try the k characters that are likeliest by that one; all
        others keep the probability that it gave them.
        """
        if self.likeliest is None:
            return self.among(codes, drive, self.tried, correction)
        first = self.layer(1)
        h, _ = first.activate(drive + self.next_codes()(self.tried.unsqueeze(2)))
        log_p = (self.config.sharpnesses[0] * first.goodness_of(h) + correction).log_softmax(1)
        kept_p, kept = log_p.topk(min(self.likeliest, self.symbols), 1)
        of_kept = correction.gather(1, kept) if isinstance(correction, Tensor) else correction
        mass = kept_p.logsumexp(1, keepdim=True)
        above = self.among(codes, drive, kept, of_kept)[1:]
        return [log_p, *(log_p.scatter(1, kept, mass + found) for found in above)]

    def among(
        self, codes: Tensor, drive: Tensor, candidates: Tensor, correction: Tensor | float
    ) -> list[Tensor]:
        """log pₗ of candidate characters `(cases, candidates)` where no others can come, layer by layer."""
        step = self.try_after(codes, drive, candidates)
        total, found = torch.zeros((), device=self.device), []
        for level, sharpness in zip(self.levels, self.config.sharpnesses, strict=True):
            total = total + self.layer(level).goodness_of(step.activities[level])
            found.append((sharpness * total + correction).log_softmax(1))
        return found

    def step_of(self, passages: Tensor) -> Step:
        return self.try_after(*self.drive_of(passages[:, :-1]), passages[:, -1:])

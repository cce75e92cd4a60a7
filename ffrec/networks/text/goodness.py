"""The next-character network that tries every character: each layer scores it by its goodness.

Activities have shape `(cases, candidates, units)`: candidates are the characters that may follow a window.
"""

from collections.abc import Iterator
from itertools import pairwise

import torch
from torch import Tensor

from ffrec.config import GoodnessCharacterConfig
from ffrec.learning.connection import Codes, Connection
from ffrec.learning.update import Step
from ffrec.networks.feedback import Feedback
from ffrec.networks.network import Encoding
from ffrec.networks.text.network import TextNetwork
from ffrec.registry import pick, register

SHARED = frozenset({"0", "state"})
"""Sources that send the same for all candidates."""
SUREST = 1 - 1e-6
"""Largest probability whose complement has a logarithm."""
BATCH = 30_000  # windows evaluated together, times the candidates of each


@register("network", "goodness-character")
class GoodnessCharacter(Feedback, TextNetwork):
    """The next character s is tried like a label. With w the codes of the window, g the goodness, n(·) its
    normalisation and κ the sharpness:

        h₁ = act(w W₁ + s V + b₁),    hₗ = act(n(hₗ₋₁) Wₗ + bₗ),    pₗ(s) = softmax over s of κ Σₖ≤ₗ g(hₖ)

    With a state the first layer has one more source, + n(hₖ) U, with hₖ of the character before, as it came.
    With iterations, layers also see those above them (`Feedback`), and g is the mean over the iterations.

    Each layer learns from the cross-entropy of pₗ, with the goodness of the layers below held fixed. The last
    one predicts, or all of them and the softmax do, with exponents (`pooled`). A window may hold blanks,
    whose code is `symbols`. Source: ours, after Hinton 2022 §3.3.

    Goodness that negatives of the network's own have taught says how much likelier s is than they are. With q
    the softmax's prediction pₗ(s) is then that times q(s) if q wrote strings, or times q(s) (1 − q(s)) if one
    negative was drawn from q: `correction`.
    """

    config: GoodnessCharacterConfig
    tried: Tensor

    def __init__(self, config: GoodnessCharacterConfig, symbols: int, generator: torch.Generator) -> None:
        super().__init__(config, symbols)
        self.passage, self.batch = config.window + 1, max(1, BATCH // symbols)
        *_, self.leading = layers = [f"layer {level}" for level in self.levels]
        self.predictors = (*layers, "softmax")
        connect, first = pick("connection", config.connection), config.hidden[0]
        window = Codes(symbols + 1, first, generator, config.window, fading=config.fading)
        following = Codes(symbols, first, generator)
        following.weight.mul_(config.candidate_size)
        sources: dict[int, dict[str, Connection]] = {level: {} for level in self.levels}
        sources[1] = {"0": window, "next": following}
        if config.state:
            sources[1]["state"] = connect(config.hidden[config.state - 1], first, generator)
            sources[1]["state"].weight.mul_(config.state_size)
        for level, (below, units) in enumerate(pairwise(config.hidden), 2):
            sources[level][str(level - 1)] = connect(below, units, generator)
            if config.iterations:
                sources[level - 1][str(level)] = connect(units, below, generator)
                sources[level - 1][str(level)].weight.mul_(config.feedback_size)
        self.layers.extend(self.make_layer(level, sources[level], generator) for level in self.levels)
        self.shape_first_layer(window, config.window)
        window.weight.view(config.window, symbols + 1, -1)[:, symbols] = 0
        self.register_buffer("tried", torch.arange(symbols)[None], persistent=False)
        self.likeliest = config.likeliest

    def next_codes(self) -> Codes:
        """How the character after the window reaches the first layer."""
        codes = self.layer(1).connection("next")
        assert isinstance(codes, Codes)
        return codes

    def encode(self, x: Tensor, state: Tensor | None = None) -> Encoding:
        """A pass over windows of codes `(cases, window)`, with the neutral character after each."""
        inputs, drive = self.enter(x, state)
        return Encoding(inputs["0"], {1: drive}, self.climb(inputs, drive + self.next_codes().neutral()))

    def enter(self, windows: Tensor, state: Tensor | None = None) -> tuple[dict[str, Tensor], Tensor]:
        """What all candidates after windows share: what sends to the first layer, `(cases, 1, …)`, and the
        sum of that and the bias, `(cases, 1, units)`."""
        first, inputs = self.layer(1), {"0": windows.unsqueeze(1)}
        drive = first.add_input("0", inputs["0"], first.unit_bias())
        if self.config.state:
            none = drive.new_zeros(()).expand(len(drive), 1, self.config.hidden[self.config.state - 1])
            inputs["state"] = none if state is None else state
        return inputs, drive if state is None else first.add_input("state", state, drive)

    def carry(self, windows: Tensor, following: Tensor, state: Tensor | None) -> Tensor | None:
        if not self.config.state:
            return None
        _, drive = self.enter(windows, state)
        return self.state_after(drive + self.next_codes()(following[:, None, None]))

    def states(self, strings: Tensor) -> Tensor | None:
        if not self.config.state:
            return None
        windows, following = self.cases(strings)
        inputs, drive = self.enter(windows)
        totals = (drive + self.next_codes()(following[:, None, None])).view(len(strings), -1, drive.shape[-1])
        found = [inputs["state"][: len(strings)]]
        for total in totals[:, :-1].unsqueeze(2).unbind(1):
            found.append(self.state_after(self.layer(1).add_input("state", found[-1], total)))
        return torch.cat(found, dim=1).flatten(0, 1).unsqueeze(1)

    def state_after(self, total: Tensor) -> Tensor:
        """What level `state` sends in a bottom-up pass from the first layer's total input `(cases, 1,
        units)`."""
        x = total
        for level in range(1, self.config.state + 1):
            layer = self.layer(level)
            if level > 1:
                total = layer.add_input(str(level - 1), x, layer.unit_bias())
            x = layer.send(layer.activation(total)[0])
        return x

    @property
    def loss_steps(self) -> tuple[int, int]:
        return (1, max(1, self.config.iterations))

    @property
    def damping(self) -> float:
        return self.config.damping

    def steps(self, encoding: Encoding, candidates: Tensor, count: int = 1) -> Iterator[Step]:
        """With candidate characters `(cases, candidates)`, or `(1, candidates)` for all cases: one pass, or
        all iterations."""
        del count
        return self.try_after(self.shared(encoding), encoding.drive[1], candidates)

    def shared(self, encoding: Encoding) -> dict[str, Tensor]:
        """What sends to the first layer of an encoding and is alike for all candidates."""
        return {name: x for name, x in encoding.step.inputs.items() if name in SHARED}

    def try_after(self, inputs: dict[str, Tensor], drive: Tensor, candidates: Tensor) -> Iterator[Step]:
        """A pass with candidate characters after what `enter` makes of windows, or the iterations that begin
        with its activities."""
        inputs = inputs | {"next": candidates.unsqueeze(2)}
        total = drive + self.next_codes()(inputs["next"])
        if not self.config.iterations:
            yield self.climb(inputs, total)
            return
        first = self.climb(inputs, total.clone())
        constant = {level: self.layer(level).unit_bias() for level in self.levels} | {1: total}
        states, sent = dict(first.activities), dict(first.inputs)
        for number in range(1, self.config.iterations + 1):
            used, activities, slopes = self.iterate(states, sent, constant)
            yield Step(used | inputs, activities, slopes, SHARED, frozenset(inputs), number)

    def climb(self, inputs: dict[str, Tensor], total: Tensor) -> Step:
        """A pass up from the first layer's total input `(cases, candidates, units)`, which is overwritten."""
        sent, activities, slopes = dict(inputs), {}, {}
        last = len(self.layers)
        for level in self.levels:
            layer = self.layer(level)
            if level > 1:
                total = layer.add_input(str(level - 1), sent[str(level - 1)], layer.unit_bias())
            activities[level], slopes[level] = layer.activate(total)
            if level < last or self.config.iterations or "next" not in inputs:
                sent[str(level)] = layer.send(activities[level])
        return Step(sent, activities, slopes, SHARED)

    def by_predictor(self, encoding: Encoding) -> dict[str, Tensor]:
        """By the goodness of the layers up to each; by the softmax, which reads the pass with the neutral
        character."""
        softmax = self.softmax(encoding)
        by_layer = self.by_layer(self.shared(encoding), encoding.drive[1], self.correction(softmax))
        return dict(zip(self.predictors, (*by_layer, softmax), strict=True))

    def correction(self, log_q: Tensor) -> Tensor | float:
        """log of what exp(κ Σ g) is multiplied by where it predicts, of the softmax's `log_q`."""
        if self.config.correction == "none":
            return 0.0
        if self.config.correction == "dreams":
            return log_q
        return log_q + torch.log1p(-log_q.exp().clamp_max(SUREST))

    def predict(self, windows: Tensor, state: Tensor | None = None) -> Tensor:
        """As every network for characters; by goodness alone it takes no pass with the neutral character."""
        recalls = self.memory is not None and self.memory.filled
        if self.exponents or recalls or self.config.correction != "none":
            return super().predict(windows, state)
        return self.by_layer(*self.enter(windows, state))[-1]

    def by_layer(
        self, inputs: dict[str, Tensor], drive: Tensor, correction: Tensor | float = 0.0
    ) -> list[Tensor]:
        """log pₗ of the next character, `(cases, symbols)`, layer by layer.

        With `likeliest` k, layers above the first try the k characters that are likeliest by that one; all
        others keep the probability that it gave them.
        """
        if self.likeliest is None:
            return self.among(inputs, drive, self.tried, correction)
        first = self.layer(1)
        h, _ = first.activate(drive + self.next_codes()(self.tried.unsqueeze(2)))
        log_p = (self.config.sharpnesses[0] * first.goodness_of(h) + correction).log_softmax(1)
        kept_p, kept = log_p.topk(min(self.likeliest, self.symbols), 1)
        of_kept = correction.gather(1, kept) if isinstance(correction, Tensor) else correction
        mass = kept_p.logsumexp(1, keepdim=True)
        above = self.among(inputs, drive, kept, of_kept)[1:]
        return [log_p, *(log_p.scatter(1, kept, mass + found) for found in above)]

    def among(
        self, inputs: dict[str, Tensor], drive: Tensor, candidates: Tensor, correction: Tensor | float
    ) -> list[Tensor]:
        """log pₗ of candidate characters `(cases, candidates)` where no others can come, layer by layer."""
        total, count = torch.zeros((), device=self.device), 0
        for step in self.try_after(inputs, drive, candidates):
            of_layers = [self.layer(level).goodness_of(h) for level, h in step.activities.items()]
            total, count = total + torch.stack(of_layers), count + 1
        up_to = (total / count).cumsum(0)
        return [
            (sharpness * goodness + correction).log_softmax(1)
            for sharpness, goodness in zip(self.config.sharpnesses, up_to, strict=True)
        ]

    def step_of(self, passages: Tensor, state: Tensor | None = None) -> Step:
        *_, last = self.try_after(*self.enter(passages[:, :-1], state), passages[:, -1:])
        return last

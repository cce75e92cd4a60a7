"""A layer: normalised sources in, rectified activities out, and the local rule that teaches it."""

from collections.abc import Callable, Mapping

import torch
from torch import Tensor, nn
from torch.nn.functional import one_hot

from ffrec.config import JudgeConfig
from ffrec.config.training import Phase
from ffrec.learning.connection import Wiring
from ffrec.learning.goodness import Goodness, Logistic, Squares
from ffrec.learning.midpoint import Midpoint

normalise = Squares().normalise
"""h / √(mean h²): unit mean square over the last axis. Images and codes are normalised so as well."""


SIDES: dict[Phase, Callable[[Tensor], Tensor]] = {
    "both": lambda candidates: candidates,
    "wake": lambda candidates: candidates[:1],
    "sleep": lambda candidates: candidates[1:],
}
"""What a phase learns from, of a positive candidate and a negative one."""


class Layer(nn.Module):
    """Units that sum what several normalised sources send: h = act(Σₛ xₛ Wₛ + b).

    `wiring` says how every source, by name, is connected. Learning is local (`delta`, `accumulate`): a layer
    needs its own activities and inputs and nothing from any other layer. The rectifier needs no slope of its
    own: every goodness has slope 0 where it is off.
    """

    def __init__(
        self,
        wiring: Mapping[str, Wiring],
        goodness: Goodness,
        logistic: Logistic,
        config: JudgeConfig,
        generator: torch.Generator,
    ) -> None:
        super().__init__()
        self.goodness, self.logistic = goodness, logistic
        self.peer, self.centring, self.scaling = config.peer, config.centring, config.scaling
        self.wiring = nn.ModuleDict(dict(wiring))
        drawn = {s: wires.draw(generator) for s, wires in wiring.items()}
        self.weights = nn.ParameterDict(
            {s: nn.Parameter(weight, requires_grad=False) for s, weight in drawn.items()}
        )
        units = next(iter(wiring.values())).units
        self.bias = nn.Parameter(torch.zeros(units), requires_grad=False)
        self.register_buffer("running_mean", torch.full((units,), 0.5))
        self.running_mean: Tensor
        self.source_midpoints = nn.ModuleDict()
        for source, wires in wiring.items() if config.centring else ():
            labels = [wiring["label"].source_units] if "label" in wiring and source != "label" else []
            self.source_midpoints[source] = Midpoint(*labels, wires.source_units)
        self.goodness_midpoint = Midpoint() if config.scaling else None

    def wires(self, source: str) -> Wiring:
        """How a source is connected."""
        wiring = self.wiring[source]
        assert isinstance(wiring, Wiring)
        return wiring

    def send(self, source: str, x: Tensor, onto: Tensor) -> Tensor:
        """onto + xₛ Wₛ: add what one source sends; leading axes broadcast."""
        sent: Tensor = self.wires(source).product(x, self.weights[source])
        sent = sent.to(onto.dtype)  # an autocast product comes back in bfloat16
        return sent.add_(onto) if sent.numel() >= onto.numel() else sent + onto

    def delta(
        self,
        h: Tensor,
        goodness: Tensor,
        correct: Tensor,
        out: Tensor | None = None,
        slope: Tensor | None = None,
    ) -> Tensor:
        """δ = ∂ log p(correct) / ∂(total input), for activities h `(batch, candidates, units)`.

        `correct` is +1 or −1 for each candidate, and broadcasts against the goodness; `slope` is that of the
        activation. Peer normalisation adds peer · (mean of the units' running means − own running mean) to δ
        of the positive cases, rectifier on or off, so that dead units revive (Hinton 2022, note 9).
        """
        delta = self.goodness.slope(h, self.logistic.slope(goodness, correct), out)
        if slope is not None:
            delta *= slope
        positive = (correct.flatten() > 0).nonzero().flatten() if self.peer else correct[:0]
        if len(positive):
            self.running_mean.lerp_(h[:, positive].mean((0, 1)), 0.1)
            pull = self.peer * (self.running_mean.mean() - self.running_mean)
            delta[:, positive] += pull
        return delta

    def judge(self, h: Tensor) -> Tensor:
        """Goodness `(...)` of activities `(..., units)`; the mean over blocks that judge by themselves."""
        goodness = self.goodness.value(h)
        return goodness if goodness.ndim < h.ndim else goodness.mean(-1)

    def measure(self, goodness: Tensor, correct: Tensor) -> Tensor:
        """Loss, −mean log p(correct), and the share judged rightly, `(2,)`, of goodness
        `(batch, candidates[, blocks])`: positive above negative where a case has both, else on the right side
        of the threshold.
        """
        loss = -self.logistic.log_p_correct(goodness, correct).mean()
        judged = goodness if goodness.ndim == 2 else goodness.mean(2)
        if judged.shape[1] == 2:
            right = judged[:, 0] > judged[:, 1]
        else:
            right = correct.flatten() * (judged - self.logistic.threshold) > 0
        return torch.stack([loss, right.mean(dtype=loss.dtype)])

    def clear(self) -> None:
        """Set all gradients to zero, in place once they exist."""
        for parameter in self.parameters():
            if parameter.grad is None:
                parameter.grad = torch.zeros_like(parameter)
            parameter.grad.zero_()

    def accumulate(
        self,
        source: str,
        x: Tensor,
        delta: Tensor,
        correct: Tensor,
        scale: float,
        labels: Tensor | None = None,
    ) -> None:
        """Add −scale · xₛᵀ δ to the gradient of one connection; rows are cases `(rows, units)`.

        With centring x counts from the midpoint between positive and negative data, so that what all cases
        share teaches nothing: over cases of both kinds xᵀ δ is a covariance. That midpoint takes note of x.
        A layer with a source called label has one for each of these: rows with `labels` `(rows,)` count from
        what all cases with the same label share.
        """
        gradient = self.weights[source].grad
        assert gradient is not None
        if self.centring:
            midpoint, sign = self.source_midpoints[source], correct.mean()
            assert isinstance(midpoint, Midpoint)
            assert (labels is None) == (midpoint.gap.ndim == 1), f"{source}: labels, or none, are missing"
            if labels is None:
                x = x - midpoint(x.mean(0), sign)
            else:
                means, seen = label_means(x, labels, midpoint.recent)
                x = x - midpoint(means, sign, seen)[labels]
        self.wires(source).accumulate(gradient, x, delta, -scale)

    def accumulate_bias(self, delta: Tensor, scale: float) -> None:
        """Add −scale · Σ δ to the gradient of the bias; with centring biases do not learn."""
        assert self.bias.grad is not None
        if not self.centring:
            self.bias.grad.sub_(delta.sum(0), alpha=scale)

    def note(self, goodness: Tensor, correct: Tensor) -> None:
        """Take note of an update's mean goodness `()`, for `rescale`."""
        if self.goodness_midpoint:
            self.goodness_midpoint(goodness, correct.mean())

    def rescale(self) -> None:
        """Synaptic scaling of weights and bias: W ← W (midpoint / θ)^(−scaling / 2), by √2 at most, with the
        midpoint of the goodness that was last noted; a silent layer is left alone.

        Goodness that is quadratic in W goes that share of the way back to where the threshold is halfway
        between positive and negative data. Each unit of a rectified layer keeps the direction of its weights.
        """
        if self.goodness_midpoint:
            midpoint = self.goodness_midpoint.now
            ratio = torch.where(midpoint == 0, 1.0, (midpoint / self.logistic.threshold).clamp(0.5, 2.0))
            for parameter in self.parameters():
                parameter.mul_(ratio ** (-self.scaling / 2))


def label_means(x: Tensor, labels: Tensor, known: Tensor) -> tuple[Tensor, Tensor]:
    """Mean of the rows of x `(rows, units)` with each label, `(classes, units)`, or what is `known` of it if
    there are none; and 1 for labels that there are, else 0, `(classes, 1)`."""
    count = one_hot(labels, len(known)).sum(0).unsqueeze(1)
    total = torch.zeros_like(known).index_add_(0, labels, x)  # autocast would round a product
    return torch.where(count > 0, total / count.clamp(min=1), known), (count > 0).to(x.dtype)


class Readout(nn.Module):
    """A softmax on features it cannot change: p(class | x) = softmax(x V + c), trained by its delta rule."""

    def __init__(self, features: int, classes: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(features, classes), requires_grad=False)
        self.bias = nn.Parameter(torch.zeros(classes), requires_grad=False)

    def forward(self, x: Tensor) -> Tensor:
        """Logits `(batch, classes)` of features `(batch, features)`."""
        return torch.addmm(self.bias, x, self.weight).to(self.bias.dtype)

    def learn(self, x: Tensor, logits: Tensor, labels: Tensor) -> Tensor:
        """Set the gradients of the mean cross-entropy, xᵀ (p − one-hot) / batch; return its value."""
        log_p = logits.log_softmax(1)
        error = log_p.exp()
        error[torch.arange(len(labels), device=labels.device), labels] -= 1
        self.weight.grad = (x.T @ error).to(self.weight.dtype) / len(labels)
        self.bias.grad = error.mean(0)
        return -log_p.gather(1, labels.unsqueeze(1)).mean()


class Stack:
    """Equal-shaped tensors laid one after another in memory that is used again at the next update.

    It lets every weight matrix take one large product over several iterations instead of one for each.
    """

    def __init__(self) -> None:
        self.slots: dict[str, Tensor] = {}

    def slot(self, name: str, index: int, depth: int, like: Tensor) -> Tensor:
        """Slot `index` of the `depth` slots called `name`, each of the shape of `like`."""
        shape = (depth, *like.shape)
        held = self.slots.get(name)
        if held is None or held.shape != shape or held.dtype != like.dtype or held.device != like.device:
            held = self.slots[name] = like.new_empty(shape)
        return held[index]

    def filled(self, name: str, count: int) -> Tensor:
        """The first `count` slots called `name`, as one tensor `(count, …)`."""
        return self.slots[name][:count]

"""Objectives: what goodness has to do, as a loss and its gradient."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar, Literal, NamedTuple, Self, final

import torch
from einops import rearrange
from torch import Tensor
from torch.nn.functional import cross_entropy, logsigmoid, softplus

from ffrec.registry import register


class Graded(NamedTuple):
    """What an objective says of a layer's goodness."""

    loss: Tensor
    """Mean loss, `()`."""
    accuracy: Tensor
    """Share of cases that the layer gets right, `()`."""
    grad: Tensor
    """∂(mean loss) / ∂goodness, like the goodness."""


class Objective(ABC):
    """A loss on goodness `(cases, candidates)`, and its gradient.

    A target is the sign of each candidate, `(candidates,)` of +1 and −1, the positive one first; or, with one
    candidate, that of each case, `(cases, 1)`; or the place of the right candidate, `(cases,)`. A layer of
    several parts (blocks, places) has a case for each part.
    """

    target: ClassVar[Literal["signs", "places"]] = "signs"
    compete: ClassVar[Literal["candidates", "parts"]] = "candidates"
    """Which numbers of a layer are the candidates: one for each candidate input, or its own parts."""
    has_threshold: ClassVar[bool] = True
    """Whether p(positive) is a half at a threshold of the goodness."""
    single: ClassVar[bool] = True
    """Whether one candidate has a loss by itself, so that positive and negative data can be apart."""

    @classmethod
    def for_layer(cls, threshold: float, sharpness: float) -> Self:
        """The objective of a layer: of both settings, or of its sharpness alone if it has no threshold."""
        return cls(*((threshold, sharpness) if cls.has_threshold else (sharpness,)))

    @abstractmethod
    def loss(self, goodness: Tensor, target: Tensor) -> Tensor:
        """One loss for every term, `(cases, terms)`, of goodness `(cases, candidates)`."""

    @abstractmethod
    def grad(self, goodness: Tensor, target: Tensor) -> Tensor:
        """∂(Σ loss) / ∂goodness, `(cases, candidates)`."""

    def accuracy(self, goodness: Tensor, target: Tensor) -> Tensor:
        """Share of cases whose right candidate has the highest goodness, and alone; with signs, of negatives
        that are below their positive."""
        if self.target == "places":
            place = target.unsqueeze(1)
            others = goodness.scatter(1, place, float("-inf")).amax(1, keepdim=True)
            return (goodness.gather(1, place) > others).mean(dtype=goodness.dtype)
        return (goodness[:, :1] > goodness[:, 1:]).mean(dtype=goodness.dtype)

    def grade(self, goodness: Tensor, target: Tensor, fixed: Tensor | float = 0.0) -> Graded:
        """Mean loss, accuracy and gradient of goodness `(batch, candidates)` or `(batch, candidates, parts)`.

        `fixed` is the goodness of other layers, `(batch, candidates)`: it is added, and held fixed.
        """
        parts, of_rows = goodness.shape[2] if goodness.ndim == 3 else 1, target
        if goodness.ndim == 2:
            rows = goodness + fixed
        elif self.compete == "parts":
            rows = rearrange(goodness, "b k part -> (b k) part")
        else:
            fixed = fixed.unsqueeze(2) if isinstance(fixed, Tensor) else fixed
            rows = rearrange(goodness + fixed, "b k part -> (b part) k")
            if self.target == "places" or target.ndim == 2:
                of_rows = target.repeat_interleave(parts, dim=0)
        loss = self.loss(rows, of_rows)
        grad = self.grad(rows, of_rows) / loss.numel()
        if goodness.ndim == 3:
            pattern = "(b k) part -> b k part" if self.compete == "parts" else "(b part) k -> b k part"
            grad = rearrange(grad, pattern, b=len(goodness), part=parts)
            if self.compete == "candidates":
                rows = rearrange(rows, "(b part) k -> b k part", part=parts).mean(2)
        return Graded(loss.mean(), self.accuracy(rows, target), grad)


@final
@register("objective", "logistic")
@dataclass(frozen=True)
class Logistic(Objective):
    """p(positive) = σ(sharpness · (g − threshold)), loss −log p of what is right: Hinton 2022, equation 1."""

    threshold: float
    sharpness: float

    def logit(self, goodness: Tensor, target: Tensor) -> Tensor:
        """Of p(right), `(cases, candidates)`."""
        return target * self.sharpness * (goodness - self.threshold)

    def loss(self, goodness: Tensor, target: Tensor) -> Tensor:
        return -logsigmoid(self.logit(goodness, target))

    def grad(self, goodness: Tensor, target: Tensor) -> Tensor:
        return -target * self.sharpness * torch.sigmoid(-self.logit(goodness, target))

    def accuracy(self, goodness: Tensor, target: Tensor) -> Tensor:
        """With several candidates as for every objective; with one, the share on its side of the
        threshold."""
        if goodness.shape[1] > 1:
            return super().accuracy(goodness, target)
        return (target * (goodness - self.threshold) > 0).mean(dtype=goodness.dtype)


@final
@register("objective", "pairwise")
@dataclass(frozen=True)
class Pairwise(Objective):
    """softplus(−sharpness · (g⁺ − g⁻)) for each negative candidate: SymBa (Lee and Song 2023)."""

    sharpness: float
    has_threshold: ClassVar[bool] = False
    single: ClassVar[bool] = False

    def loss(self, goodness: Tensor, target: Tensor) -> Tensor:
        del target
        if goodness.shape[1] < 2:
            raise ValueError(
                "pairwise: expected a positive and at least one negative candidate in one update, found one: "
                "learn from both at once"
            )
        return softplus(-self.sharpness * (goodness[:, :1] - goodness[:, 1:]))

    def grad(self, goodness: Tensor, target: Tensor) -> Tensor:
        del target
        pull = self.sharpness * torch.sigmoid(-self.sharpness * (goodness[:, :1] - goodness[:, 1:]))
        return torch.cat([-pull.sum(1, keepdim=True), pull], dim=1)


@dataclass(frozen=True)
class Softmax(Objective):
    """−log p of the right candidate, p = softmax(sharpness · g) over all candidates.

    With y the one-of-N code of the right one, ∂loss/∂g = sharpness · (p − y). A target may also be a
    teacher's probabilities of the candidates, `(cases, candidates)`: then y is that, and the loss −Σ y log p.
    """

    sharpness: float
    target: ClassVar[Literal["signs", "places"]] = "places"
    has_threshold: ClassVar[bool] = False
    single: ClassVar[bool] = False

    def loss(self, goodness: Tensor, target: Tensor) -> Tensor:
        return cross_entropy(self.sharpness * goodness, target, reduction="none").unsqueeze(1)

    def grad(self, goodness: Tensor, target: Tensor) -> Tensor:
        p = (self.sharpness * goodness).softmax(1)
        if target.is_floating_point():
            return p.sub_(target).mul_(self.sharpness)
        right = torch.ones_like(p[:, :1])
        return p.scatter_add_(1, target.unsqueeze(1), -right).mul_(self.sharpness)

    def accuracy(self, goodness: Tensor, target: Tensor) -> Tensor:
        """As for every objective; a teacher's likeliest candidate counts as the right one."""
        return super().accuracy(goodness, target.argmax(1) if target.is_floating_point() else target)


@final
@register("objective", "candidates")
class CandidateSoftmax(Softmax):
    """Every candidate (a label, a next character) competes with all others."""


@final
@register("objective", "classes")
class ClassSoftmax(Softmax):
    """The parts of a layer, one for each class, compete: class scores. There are no negative data."""

    compete: ClassVar[Literal["candidates", "parts"]] = "parts"

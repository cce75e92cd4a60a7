"""Losses on two layers' activities for the same cases, and their gradients in closed form.

With û = a / |a| of case i in the one layer and v̂ = b / |b| of case j in the other, S = û v̂ᵀ holds the cosines
of all pairs of cases `(cases, cases)`. A matrix `same` of that shape says how likely the two cases of a pair
are of one class: 1 or 0 where there are labels. A layer that is compared with itself counts no case twice.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar, NamedTuple, final

import torch
from torch import Tensor

from ffrec.registry import register

SMALLEST = 1e-8  # what a smaller length or deviation is replaced by: a silent layer learns nothing


class Agreed(NamedTuple):
    """What an agreement says of two layers."""

    loss: Tensor
    """Mean loss, `()`."""
    grad_a: Tensor
    """∂loss / ∂a, like a."""
    grad_b: Tensor
    """∂loss / ∂b, like b."""


@dataclass(frozen=True)
class Agreement(ABC):
    """A loss on activities a and b `(cases, units)`. Both are the other's teacher, and get its gradient."""

    sharpness: float
    """Slope of the loss in what it compares."""
    margin: float
    """What cosines of pairs are compared with; each agreement says how."""
    takes_margin: ClassVar[bool] = False
    takes_sharpness: ClassVar[bool] = False

    @abstractmethod
    def grade(self, a: Tensor, b: Tensor, same: Tensor) -> Agreed:
        """Loss and gradients; a layer that is compared with itself gives a twice."""


class OfPairs(Agreement):
    """A loss on the matrix of cosines."""

    def grade(self, a: Tensor, b: Tensor, same: Tensor) -> Agreed:
        """∂L/∂a = (G v̂ − û (û · G v̂)) / |a| with G = ∂L/∂S; likewise for b with Gᵀ û."""
        (u, of_a), (v, of_b) = direction(a), direction(b)
        loss, grad = self.of_cosines(u @ v.T, same, counted_pairs(a, b))
        return Agreed(loss, across(grad @ v, u) / of_a, across(grad.T @ u, v) / of_b)

    @abstractmethod
    def of_cosines(self, cosines: Tensor, same: Tensor, counted: Tensor) -> tuple[Tensor, Tensor]:
        """The loss `()` and its gradient by the cosines, of the pairs that are `counted`: 1, others 0."""


@final
@register("agreement", "cosine")
class Cosine(Agreement):
    """L = mean over cases of 1 − cos(aᵢ, bᵢ): positive pairs alone. Source: Gananath 2024 §3."""

    def grade(self, a: Tensor, b: Tensor, same: Tensor) -> Agreed:
        (u, of_a), (v, of_b), cases = direction(a), direction(b), len(same)
        return Agreed(
            1 - (u * v).sum(1).mean(), -across(v, u) / (of_a * cases), -across(u, v) / (of_b * cases)
        )


@final
@register("agreement", "pairs")
class Pairs(OfPairs):
    """1 − cos for pairs of one class, max(0, cos − margin) for pairs of two; the mean over each kind, halved.

    Source: the first stage of FFCL, Ahmed et al. 2023.
    """

    takes_margin = True

    def of_cosines(self, cosines: Tensor, same: Tensor, counted: Tensor) -> tuple[Tensor, Tensor]:
        near, far = halves(same, counted)
        beyond = (cosines - self.margin).clamp_min(0)
        loss = (near * (1 - cosines) + far * beyond).sum()
        return loss, far * (beyond > 0) - near


@final
@register("agreement", "contrast")
class Contrast(OfPairs):
    """−Σⱼ tᵢⱼ log pᵢⱼ, the mean over cases i and over both layers' turns to ask.

    pᵢⱼ = softmaxⱼ(sharpness · (Sᵢⱼ − margin · sameᵢⱼ)), and tᵢⱼ = sameᵢⱼ / Σⱼ sameᵢⱼ: every case of the other
    layer competes to be of one class with case i. Source: Khosla et al. 2020; with a margin, FFCM
    (Aghagolzadeh and Ezoji 2024).
    """

    takes_margin = takes_sharpness = True

    def of_cosines(self, cosines: Tensor, same: Tensor, counted: Tensor) -> tuple[Tensor, Tensor]:
        logits = self.sharpness * (cosines - self.margin * same) + counted.log()
        same = same * counted
        asked, grad = self.one_way(logits, same)
        answered, back = self.one_way(logits.T, same.T)
        return (asked + answered) / 2, (grad + back.T) / 2

    def one_way(self, logits: Tensor, same: Tensor) -> tuple[Tensor, Tensor]:
        """The loss of every row's softmax, and its gradient by the cosines; a row without a case of its class
        has none."""
        total = same.sum(1, keepdim=True)
        wanted = same / total.clamp_min(SMALLEST)
        log_p = logits.log_softmax(1)
        loss = -torch.where(wanted > 0, wanted * log_p, 0.0).sum(1).mean()
        pull = torch.where(total > 0, log_p.exp() - wanted, 0.0)  # of a lone case log p is not a number
        return loss, self.sharpness * pull / len(logits)


@final
@register("agreement", "goodness")
class PairGoodness(Agreement):
    """p(one class) = σ(sharpness · (gᵢⱼ − margin)), with the goodness of a pair gᵢⱼ = Σ aᵢ bⱼ / units: −log p
    of what is right, the mean over each kind of pair, halved. Forward-Forward's own goodness and loss, of two
    layers instead of one (Hinton 2022, equation 1)."""

    takes_margin = takes_sharpness = True

    def grade(self, a: Tensor, b: Tensor, same: Tensor) -> Agreed:
        units = a.shape[1]
        logits = self.sharpness * (a @ b.T / units - self.margin)
        near, far = halves(same, counted_pairs(a, b))
        softplus = torch.nn.functional.softplus
        loss = (near * softplus(-logits) + far * softplus(logits)).sum()
        grad = (far * logits.sigmoid() - near * (-logits).sigmoid()) * self.sharpness / units
        return Agreed(loss, grad @ b, grad.T @ a)


@final
@register("agreement", "decorrelation")
class Decorrelation(Agreement):
    """The mean over units i of (1 − Cᵢᵢ)² + Σⱼ≠ᵢ Cᵢⱼ² / units: units agree with their twins, and with no
    other. C holds the correlations of the one layer's units with the other's over the batch. It needs no
    labels.

    Source: Barlow twins (Zbontar et al. 2021), whose weight of the second term is a setting.
    """

    def grade(self, a: Tensor, b: Tensor, same: Tensor) -> Agreed:
        del same
        (x, of_a), (y, of_b) = standard(a), standard(b)
        eye = torch.eye(a.shape[1], dtype=a.dtype, device=a.device)
        gap = x.T @ y / len(a) - eye
        weight = (eye + (1 - eye) / a.shape[1]) / a.shape[1]
        grad = 2 * weight * gap / len(a)
        return Agreed(
            (weight * gap.square()).sum(), unstandard(y @ grad.T, x, of_a), unstandard(x @ grad, y, of_b)
        )


def counted_pairs(a: Tensor, b: Tensor) -> Tensor:
    """1 for the pairs of cases that count, `(cases, cases)`: not a case and itself in the same layer."""
    return a.new_ones(len(a), len(a)).fill_diagonal_(float(a is not b))


def halves(same: Tensor, counted: Tensor) -> tuple[Tensor, Tensor]:
    """Weights of the pairs of one class and of two, `(cases, cases)`: the mean over each kind, halved."""
    near, far = same * counted, (1 - same) * counted
    return near / (2 * near.sum().clamp_min(1)), far / (2 * far.sum().clamp_min(1))


def direction(h: Tensor) -> tuple[Tensor, Tensor]:
    """h / |h| and |h|, `(cases, units)` and `(cases, 1)`."""
    length = torch.linalg.vector_norm(h, dim=1, keepdim=True).clamp_min(SMALLEST)
    return h / length, length


def across(grad: Tensor, unit: Tensor) -> Tensor:
    """The part of each row of a gradient that turns the unit vector of that row."""
    return grad - unit * (grad * unit).sum(1, keepdim=True)


def standard(h: Tensor) -> tuple[Tensor, Tensor]:
    """Units of mean 0 and deviation 1 over the cases, and their deviations `(units,)`; dead ones stay 0."""
    deviation = h.std(0, correction=0).clamp_min(SMALLEST)
    return (h - h.mean(0)) / deviation, deviation


def unstandard(grad: Tensor, x: Tensor, deviation: Tensor) -> Tensor:
    """The gradient by h of what has gradient `grad` by x, its standardised form."""
    alive = deviation > SMALLEST
    return (grad - grad.mean(0) - x * (grad * x).mean(0)) / deviation * alive

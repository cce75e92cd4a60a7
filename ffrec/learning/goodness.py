"""Goodness: how a layer judges its own activities, and the probability that follows from it."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor
from torch.nn.functional import logsigmoid


def mean_square(h: Tensor) -> Tensor:
    """Σⱼ hⱼ² / units, over the last axis: `(..., units)` to `(...)`."""
    length: Tensor = torch.linalg.vector_norm(h, dim=-1)  # one pass; a product would be written out first
    return length.square() / h.shape[-1]


SMALLEST = 1e-8  # what a smaller activity is divided by: a silent layer sends (nearly) zero


class Goodness(ABC):
    """A number per case that a layer makes high for positive data and low for negative data."""

    @abstractmethod
    def value(self, h: Tensor) -> Tensor:
        """g(h): activities `(..., units)` before normalisation to goodness `(...)`."""

    @abstractmethod
    def slope(self, h: Tensor, weight: Tensor, out: Tensor | None = None) -> Tensor:
        """weight · ∂g/∂h, of shape `(..., units)`, for a weight per case `(...)`; 0 wherever h is 0."""

    @abstractmethod
    def size(self, h: Tensor) -> Tensor:
        """What normalisation divides h by, `(...)`, so that nothing of the goodness is sent on."""

    def normalise(self, h: Tensor) -> Tensor:
        """h / size(h), without subtracting a mean; an all-zero vector stays zero.

        Source: Hinton 2022 §2.1, note 5.
        """
        return h * self.size(h).clamp_min(SMALLEST).reciprocal().unsqueeze(-1)


@final
@dataclass(frozen=True)
class Squares(Goodness):
    """g(h) = factor · Σⱼ hⱼ² / units; a negative factor makes a layer minimise activity on positive data.

    The sum of squares of Hinton 2022 §2, equation 1, per unit, so that one threshold fits every width;
    minus the sum of squares is §9's alternative.
    """

    factor: float = 1.0

    def value(self, h: Tensor) -> Tensor:
        return mean_square(h) * self.factor

    def slope(self, h: Tensor, weight: Tensor, out: Tensor | None = None) -> Tensor:
        return torch.mul(h, (weight * (2 * self.factor / h.shape[-1])).unsqueeze(-1), out=out)

    def size(self, h: Tensor) -> Tensor:
        return mean_square(h).sqrt()


@final
@dataclass(frozen=True)
class Activities(Goodness):
    """g(h) = factor · Σⱼ hⱼ / units, for activities that are nowhere negative.

    Normalisation is by the mean of the activities, not of their squares: Hinton 2022 §9, note 21.
    """

    factor: float = 1.0

    def value(self, h: Tensor) -> Tensor:
        return h.mean(-1) * self.factor

    def slope(self, h: Tensor, weight: Tensor, out: Tensor | None = None) -> Tensor:
        return torch.mul(h.sign(), (weight * (self.factor / h.shape[-1])).unsqueeze(-1), out=out)

    def size(self, h: Tensor) -> Tensor:
        return h.mean(-1)


@final
@dataclass(frozen=True)
class Blocks(Goodness):
    """A goodness for each of `count` equal blocks of a layer, `(..., count)`; every one decides for itself.

    What is sent on is still normalised as a whole. Source: Hinton 2022 §5.3.
    """

    whole: Goodness
    count: int

    def value(self, h: Tensor) -> Tensor:
        return self.whole.value(h.unflatten(-1, (self.count, -1)))

    def slope(self, h: Tensor, weight: Tensor, out: Tensor | None = None) -> Tensor:
        split = None if out is None else out.unflatten(-1, (self.count, -1))
        return self.whole.slope(h.unflatten(-1, (self.count, -1)), weight, split).flatten(-2)

    def size(self, h: Tensor) -> Tensor:
        return self.whole.size(h)


@final
@dataclass(frozen=True)
class Logistic:
    """p(positive) = σ(sharpness · (g − threshold)): Hinton 2022, equation 1.

    `correct` is +1 for positive cases and −1 for negative ones, and broadcasts against the goodness.
    """

    threshold: float
    sharpness: float

    def log_p_correct(self, goodness: Tensor, correct: Tensor) -> Tensor:
        """log p(positive) of positive cases, log(1 − p(positive)) of negative ones."""
        return logsigmoid(correct * self.sharpness * (goodness - self.threshold))

    def slope(self, goodness: Tensor, correct: Tensor) -> Tensor:
        """∂ log p(correct) / ∂g = ± sharpness · (1 − p(correct))."""
        logit = correct * self.sharpness * (goodness - self.threshold)
        return correct * self.sharpness * torch.sigmoid(-logit)


GOODNESS: dict[str, Callable[[float], Goodness]] = {"squares": Squares, "activities": Activities}

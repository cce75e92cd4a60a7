"""Goodness: how a layer judges its own activities, and the probability that follows from it."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor
from torch.nn.functional import logsigmoid


def mean_square(h: Tensor) -> Tensor:
    """Σⱼ hⱼ² / units, over the last axis: `(..., units)` to `(...)`."""
    length: Tensor = torch.linalg.vector_norm(h, dim=-1)  # one pass; a product would be written out first
    return length.square() / h.shape[-1]


class Goodness(ABC):
    """A number per case that a layer makes high for positive data and low for negative data."""

    @abstractmethod
    def value(self, h: Tensor) -> Tensor:
        """g(h): activities `(..., units)` before normalisation to goodness `(...)`."""

    @abstractmethod
    def slope(self, h: Tensor, weight: Tensor, out: Tensor | None = None) -> Tensor:
        """weight · ∂g/∂h, of shape `(..., units)`, for a weight per case `(...)`."""


@final
@dataclass(frozen=True)
class MeanSquare(Goodness):
    """g(h) = sign · Σⱼ hⱼ² / units; sign −1 makes a layer minimise activity on positive data.

    The sum of squares of Hinton 2022 §2, equation 1, per unit, so that one threshold fits every width;
    minus the sum of squares is §9's alternative.
    """

    sign: float = 1.0

    def value(self, h: Tensor) -> Tensor:
        return mean_square(h) * self.sign

    def slope(self, h: Tensor, weight: Tensor, out: Tensor | None = None) -> Tensor:
        return torch.mul(h, (weight * (2 * self.sign / h.shape[-1])).unsqueeze(-1), out=out)


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


GOODNESS: dict[str, Goodness] = {"max": MeanSquare(1.0), "min": MeanSquare(-1.0)}

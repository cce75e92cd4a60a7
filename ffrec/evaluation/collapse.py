"""How far the activities of a layer have collapsed: whether they still tell cases, and classes, apart."""

from typing import TypedDict

import torch
from torch import Tensor

from ffrec.learning.agreement.losses import direction


class Collapse(TypedDict):
    """Of one layer, over cases; all by the directions û = h / |h| of its activities."""

    spread: float
    """1 − |mean û|²: 0 if all cases have one direction."""
    rank: float
    """(Σ λ)² / Σ λ², with λ the eigenvalues of the covariance of û: the dimensions in use; 0 if there are
    none."""
    within: float
    """Mean cosine of two cases of one class."""
    between: float
    """Mean cosine of two cases of different classes."""


def collapse(h: Tensor, labels: Tensor) -> Collapse:
    """The measures of activities `(cases, units)` with labels `(cases,)`: of two classes
    at least, one of which has two cases."""
    u, _ = direction(h.double())
    mean, covariance = u.mean(0), torch.cov(u.T, correction=0).view(u.shape[1], -1)
    sums = torch.zeros(int(labels.max()) + 1, u.shape[1]).to(u).index_add_(0, labels, u)
    counts = labels.bincount().double()
    alike, every = sums.square().sum(), u.sum(0).square().sum()
    spread, squares = covariance.trace(), covariance.square().sum()
    return {
        "spread": float(1 - mean.square().sum()),
        "rank": float(spread.square() / squares) if squares > 0 else 0.0,
        "within": float((alike - u.square().sum()) / (counts * (counts - 1)).sum()),
        "between": float((every - alike) / (len(u) ** 2 - counts.square().sum())),
    }

"""Activation functions: from a layer's total input to its activities, and their slope."""

from collections.abc import Callable

import torch
from torch import Tensor

from ffrec.registry import register

Activation = Callable[[Tensor], tuple[Tensor, Tensor | None]]
"""Total input `(..., units)`, which may be overwritten, to activities and their slope, both of that shape.

The slope is None where the goodness takes care of it: every goodness has gradient 0 at activity 0.
"""


@register("activation", "relu")
def relu(total: Tensor) -> tuple[Tensor, None]:
    """h = max(0, x)."""
    return total.relu_(), None


@register("activation", "student-t")
def student_t(total: Tensor) -> tuple[Tensor, Tensor]:
    """h = log(1 + x²): minus the log density under a t-distribution of one degree of freedom, but for a
    constant. Source: Hinton 2022 §9, after Osindero et al. 2006.
    """
    square = total.square()
    return torch.log1p(square), 2 * total / (1 + square)

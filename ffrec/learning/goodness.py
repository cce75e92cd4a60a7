"""Goodness: the number that a layer makes high for positive data and low for negative data."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar, Self, final

import torch
from einops import rearrange
from torch import Tensor, nn

from ffrec.learning.arithmetic import wide
from ffrec.registry import register

LARGE = 2**20  # activities that torch may copy into a wider type to sum them: more would leave the cache
SMALLEST = 1e-8  # what a smaller norm is replaced by: a silent layer sends (nearly) zero


def mean_square(h: Tensor) -> Tensor:
    """Σⱼ hⱼ² / units, over the last axis: `(..., units)` to `(...)`, in float32 at least."""
    units, dtype, norm = (
        h.shape[-1],
        wide(h.dtype),
        torch.linalg.vector_norm,
    )  # a product would be written out
    if h.dtype == dtype or h.numel() <= LARGE:
        whole: Tensor = norm(h, dim=-1, dtype=dtype).square() / units
        return whole
    parts = h.flatten(0, -2).split(max(1, LARGE // units))
    return torch.cat([norm(part, dim=-1, dtype=dtype) for part in parts]).view(h.shape[:-1]).square() / units


def root_mean_square(h: Tensor) -> Tensor:
    """√(Σⱼ hⱼ² / units), over the last axis: `(..., units)` to `(...)`, rounded like h.

    Whatever is divided by it is rounded as well: a sum in a wider type would be one more pass over memory.
    """
    length: Tensor = torch.linalg.vector_norm(h, dim=-1)
    return length * float(h.shape[-1] ** -0.5)


class Goodness(ABC):
    """g(h), one number per case, or one for each part of a layer: a block, a place or a class.

    A rectified layer's slope is 0 where its activity is 0; `grad` has to be 0 there as well.
    """

    per_class: ClassVar[bool] = False
    """Whether there is one number for each class."""
    takes_bfloat16: bool = False
    """Whether `value` and gradients take bfloat16 activities, and sum in float32; otherwise they are given
    float32."""

    @classmethod
    def for_layer(cls, units: int, classes: int, generator: torch.Generator) -> Self:
        """The goodness of a layer of so many units in a network of so many classes."""
        del units, classes, generator
        return cls()

    @abstractmethod
    def value(self, h: Tensor) -> Tensor:
        """g(h): activities `(..., units)` before normalisation to goodness `(...)` or `(..., parts)`."""

    @abstractmethod
    def grad(self, h: Tensor, weight: Tensor) -> Tensor:
        """Σ weight · ∂g/∂h, like h `(..., units)`, for a weight per case, or per case and part."""

    @abstractmethod
    def norm(self, h: Tensor) -> Tensor:
        """What normalisation divides h by, `(...)`, so that the next layer is sent nothing of the
        goodness."""

    def write_grad(self, h: Tensor, weight: Tensor, out: Tensor) -> Tensor:
        """`grad`, written into memory like h, or over h itself; a goodness that can do so in one pass says so
        here."""
        return out.copy_(self.grad(h, weight))

    def add_weight_grad(self, h: Tensor, weight: Tensor) -> None:
        """Add weight · ∂g/∂θ to the gradients of parameters θ of the goodness, if it has any."""
        del h, weight

    def normalise(self, h: Tensor) -> Tensor:
        """h / norm(h), without subtracting a mean; an all-zero vector stays zero.

        Source: Hinton 2022 §2.1, note 5.
        """
        return h * self.norm(h).clamp_min(SMALLEST).reciprocal().to(h.dtype).unsqueeze(-1)


@final
@register("goodness", "squares")
@dataclass(frozen=True)
class MeanSquare(Goodness):
    """g(h) = Σⱼ hⱼ² / units: the sum of squares of Hinton 2022 §2, equation 1, per unit, so that one
    threshold fits every width."""

    takes_bfloat16 = True

    def value(self, h: Tensor) -> Tensor:
        return mean_square(h)

    def grad(self, h: Tensor, weight: Tensor) -> Tensor:
        return self.write_grad(h, weight, torch.empty_like(h))

    def write_grad(self, h: Tensor, weight: Tensor, out: Tensor) -> Tensor:
        return torch.mul(h, (weight * (2 / h.shape[-1])).to(h.dtype).unsqueeze(-1), out=out)

    def norm(self, h: Tensor) -> Tensor:
        return root_mean_square(h)


@final
@register("goodness", "activities")
@dataclass(frozen=True)
class MeanActivity(Goodness):
    """g(h) = Σⱼ hⱼ / units, for activities that are nowhere negative.

    Normalisation is by the mean of the activities, not of their squares: Hinton 2022 §9, note 21.
    """

    takes_bfloat16 = True

    def value(self, h: Tensor) -> Tensor:
        return h.mean(-1, dtype=wide(h.dtype))

    def grad(self, h: Tensor, weight: Tensor) -> Tensor:
        return self.write_grad(h, weight, torch.empty_like(h))

    def write_grad(self, h: Tensor, weight: Tensor, out: Tensor) -> Tensor:
        return torch.mul(h.sign(), (weight / h.shape[-1]).to(h.dtype).unsqueeze(-1), out=out)

    def norm(self, h: Tensor) -> Tensor:
        return self.value(h)


class Wrapped(nn.Module, Goodness):
    """A goodness made from another one, `whole`, whose parameters, if it has any, belong to the layer."""

    def __init__(self, whole: Goodness) -> None:
        super().__init__()
        self.whole, self.takes_bfloat16 = whole, whole.takes_bfloat16


@final
class Minus(Wrapped):
    """−g(h): a layer that makes its activity low for positive data. Source: Hinton 2022 §9."""

    def value(self, h: Tensor) -> Tensor:
        return -self.whole.value(h)

    def grad(self, h: Tensor, weight: Tensor) -> Tensor:
        return self.whole.grad(h, -weight)

    def write_grad(self, h: Tensor, weight: Tensor, out: Tensor) -> Tensor:
        return self.whole.write_grad(h, -weight, out)

    def add_weight_grad(self, h: Tensor, weight: Tensor) -> None:
        self.whole.add_weight_grad(h, -weight)

    def norm(self, h: Tensor) -> Tensor:
        return self.whole.norm(h)


@final
class Blocks(Wrapped):
    """A goodness for each of `count` equal blocks of a layer, `(..., count)`; every block has a loss of its
    own.

    Blocks are runs of units; in a map of so many `places`, runs of channels, at all places. What is sent on
    is still normalised as a whole. Source: Hinton 2022 §5.3.
    """

    def __init__(self, whole: Goodness, count: int, places: int = 1) -> None:
        super().__init__(whole)
        self.count, self.places = count, places

    def by_block(self, h: Tensor) -> Tensor:
        """Of one place it is a view."""
        return rearrange(
            h,
            "... (place block channel) -> ... block (place channel)",
            place=self.places,
            block=self.count,
        )

    def value(self, h: Tensor) -> Tensor:
        return self.whole.value(self.by_block(h))

    def grad(self, h: Tensor, weight: Tensor) -> Tensor:
        grad = self.whole.grad(self.by_block(h), weight)
        return rearrange(grad, "... block (place channel) -> ... (place block channel)", place=self.places)

    def write_grad(self, h: Tensor, weight: Tensor, out: Tensor) -> Tensor:
        if self.places > 1:
            return super().write_grad(h, weight, out)
        self.whole.write_grad(self.by_block(h), weight, self.by_block(out))
        return out

    def add_weight_grad(self, h: Tensor, weight: Tensor) -> None:
        self.whole.add_weight_grad(self.by_block(h), weight)

    def norm(self, h: Tensor) -> Tensor:
        return self.whole.norm(h)


@final
class Places(Wrapped):
    """A goodness for each of `count` places of a map, over its channels: `(..., count)`. What is sent on is
    normalised place by place too."""

    def __init__(self, whole: Goodness, count: int) -> None:
        super().__init__(whole)
        self.count = count

    def by_place(self, h: Tensor) -> Tensor:
        return rearrange(h, "... (place channel) -> ... place channel", place=self.count)

    def value(self, h: Tensor) -> Tensor:
        return self.whole.value(self.by_place(h))

    def grad(self, h: Tensor, weight: Tensor) -> Tensor:
        return rearrange(
            self.whole.grad(self.by_place(h), weight), "... place channel -> ... (place channel)"
        )

    def add_weight_grad(self, h: Tensor, weight: Tensor) -> None:
        self.whole.add_weight_grad(self.by_place(h), weight)

    def norm(self, h: Tensor) -> Tensor:
        return self.whole.norm(self.by_place(h))

    def normalise(self, h: Tensor) -> Tensor:
        return rearrange(self.whole.normalise(self.by_place(h)), "... place channel -> ... (place channel)")


normalise = MeanSquare().normalise
"""h / √(mean h²): unit mean square over the last axis. Images and codes are normalised so as well."""

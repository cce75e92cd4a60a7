"""Goodness per class: scores s = φ(h) A that an objective over classes lets compete.

With A the indicator of groups of units this is `Blocks`; here A is fixed at random, or learnt.
"""

import math
from typing import ClassVar, Self, final

import torch
from einops import repeat
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d

from ffrec.learning.arithmetic import wide
from ffrec.learning.fields import as_maps, as_rows
from ffrec.learning.goodness import Goodness, Wrapped, root_mean_square
from ffrec.registry import register


class Scores(nn.Module, Goodness):
    """s = n(h) A, with n(h) the activities of unit mean square, `(..., units)` to `(..., classes)`.

    ∂s/∂h = (A − n(h) sᵀ / units) / |h|, with |h| the root mean square: normalisation is part of the score.
    A has entries from N(0, 1 / units). Sources: Mono-Forward (learnt A), ASGE (fixed random A).
    """

    per_class: ClassVar[bool] = True
    learns: ClassVar[bool]
    weight: Tensor

    def __init__(self, units: int, classes: int, generator: torch.Generator) -> None:
        super().__init__()
        drawn = torch.randn(units, classes, generator=generator) / units**0.5
        if self.learns:
            self.weight = nn.Parameter(drawn, requires_grad=False)
        else:
            self.register_buffer("weight", drawn)

    @classmethod
    def for_layer(cls, units: int, classes: int, generator: torch.Generator) -> Self:
        return cls(units, classes, generator)

    @property
    def mapping(self) -> Tensor:
        """A, `(units, classes)`."""
        return self.weight

    def value(self, h: Tensor) -> Tensor:
        return self.normalise(h) @ self.mapping

    def grad(self, h: Tensor, weight: Tensor) -> Tensor:
        x, size = self.normalise(h), self.norm(h).clamp_min(1e-8).unsqueeze(-1)
        direction = weight @ self.mapping.T
        return (direction - x * (direction * x).mean(-1, keepdim=True)) / size * (h != 0)

    def norm(self, h: Tensor) -> Tensor:
        return root_mean_square(h)

    def add_weight_grad(self, h: Tensor, weight: Tensor) -> None:
        if self.learns:
            if self.weight.grad is None:
                self.weight.grad = torch.zeros_like(self.weight)
            self.weight.grad += self.weight_grad(self.normalise(h).flatten(0, -2).T @ weight.flatten(0, -2))

    def weight_grad(self, of_mapping: Tensor) -> Tensor:
        """The gradient of `weight`, of that of A `(units, classes)`."""
        return of_mapping


@final
@register("goodness", "scores")
class LearntScores(Scores):
    """Scores whose A is learnt with the layer."""

    learns = True


@final
@register("goodness", "prototypes")
class Prototypes(Scores):
    """Cosines of the activities and a prototype of each class: A = P / (√units |P|), column by column, with
    |P| the length of a prototype, so that |s| ≤ 1.

    Lengths of prototypes change nothing, and no gradient goes along them. Source: HFF (Sarode et al. 2026).
    """

    learns = True

    @property
    def mapping(self) -> Tensor:
        return torch.div(self.weight, self.lengths() * len(self.weight) ** 0.5)

    def lengths(self) -> Tensor:
        """Of the prototypes, `(1, classes)`."""
        return self.weight.square().sum(0, keepdim=True).sqrt().clamp_min(1e-8)

    def weight_grad(self, of_mapping: Tensor) -> Tensor:
        unit, along = self.weight / self.lengths(), of_mapping / len(self.weight) ** 0.5
        across: Tensor = along - unit * (unit * along).sum(0, keepdim=True)
        return across / self.lengths()


@final
@register("goodness", "random-scores")
class RandomScores(Scores):
    """Scores whose A stays as it was drawn."""

    learns = False


@final
class Grid:
    """A `grid` × `grid` grid over maps of `(channels, height, width)`, whose rows `(..., units)` are ordered
    place by place. Raises ValueError if it does not divide the map's sides."""

    def __init__(self, shape: tuple[int, int, int], grid: int) -> None:
        if any(side % grid for side in shape[1:]):
            raise ValueError(f"grid: expected one that divides {shape[1]} × {shape[2]} places, found {grid}")
        self.shape, self.square = shape, (shape[1] // grid, shape[2] // grid)

    def mean(self, h: Tensor) -> Tensor:
        """The mean of every channel in every square, `(..., grid² · channels)`."""
        found = as_rows(avg_pool2d(as_maps(h, self.shape), self.square))
        return found.view(*h.shape[:-1], -1).to(wide(h.dtype))

    def spread(self, of_squares: Tensor) -> Tensor:
        """Maps `(..., units)` that have a square's numbers, `(..., grid² · channels)`, at each of its
        places."""
        (down, right), channels = self.square, self.shape[0]
        pattern = "... (i j c) -> ... (i y j x c)"
        return repeat(of_squares, pattern, i=self.shape[1] // down, y=down, x=right, c=channels)


@final
class OnGrid(Wrapped):
    """g of the means of a map's activities in the squares of a grid: `whole` sees
    `(..., grid² · channels)`."""

    def __init__(self, whole: Goodness, grid: Grid) -> None:
        super().__init__(whole)
        self.takes_bfloat16, self.grid = True, grid

    def value(self, h: Tensor) -> Tensor:
        return self.whole.value(self.grid.mean(h))

    def grad(self, h: Tensor, weight: Tensor) -> Tensor:
        of_squares = self.whole.grad(self.grid.mean(h), weight) / math.prod(self.grid.square)
        return self.grid.spread(of_squares.to(h.dtype)).mul_(h != 0)

    def add_weight_grad(self, h: Tensor, weight: Tensor) -> None:
        self.whole.add_weight_grad(self.grid.mean(h), weight)

    def norm(self, h: Tensor) -> Tensor:
        return root_mean_square(h)

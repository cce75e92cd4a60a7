"""Square receptive fields around every place of a map, without weight sharing, band by band."""

from typing import final

import torch
from einops import rearrange
from torch import Tensor
from torch.nn.functional import pad

from ffrec.learning.connection import Connection

ROWS = 2
"""Most rows of a band: fewer waste less on zeros, and make narrower products, which are slower in bfloat16
(benchmarks/bands.py)."""


@final
class Bands(Connection):
    """Every unit sees the `field` × `field` places around its own: Hinton 2022 §4, cut off at the border of
    the map (note 12).

    Source and layer are square maps of the same `side`, rows of units `(y x channel)`. A band of rows sees
    its own rows and those within half a field above and below, which lie one after another in memory, so
    nothing is gathered: weights are `(bands, units seen, units of a band)`, one batched product. They are
    zero, and stay so, where a unit does not see. Weights are drawn from N(0, 1 / what the unit sees).
    """

    def __init__(
        self, side: int, field: int, below: int, channels: int, generator: torch.Generator, most: int = ROWS
    ) -> None:
        rows = max(count for count in range(1, most + 1) if side % count == 0)
        reach, line = field // 2, side * below
        shape = (side // rows, (rows + 2 * reach) * line, rows * side * channels)
        super().__init__(side * line, side * side * channels, shape, 1, generator)
        self.margin, self.step = reach * line, rows * line
        mask = within(side, rows, reach).repeat_interleave(below, 0).repeat_interleave(channels, 1)
        self.register_buffer("mask", mask, persistent=False)
        self.mask: Tensor
        seen = mask * self.seen(torch.ones(1, self.source_units)).mT
        self.weight.mul_(seen / seen.sum(1, keepdim=True).sqrt())

    def seen(self, x: Tensor) -> Tensor:
        """What each band sees of `(rows, source units)`, 0 beyond the map: `(bands, rows, units seen)`."""
        padded = pad(x, (self.margin, self.margin))
        return padded.unfold(1, self.weight.shape[1], self.step).transpose(0, 1)

    def product(self, x: Tensor, weight: Tensor) -> Tensor:
        """x W for weights of this shape: `(..., source units)` to `(..., units)`."""
        sent = torch.bmm(self.seen(x.flatten(0, -2)), weight)
        return rearrange(sent, "band rows unit -> rows (band unit)").view(*x.shape[:-1], self.units)

    def forward(self, x: Tensor) -> Tensor:
        return self.product(x, self.working)

    def add_weight_grad(self, x: Tensor, delta: Tensor) -> None:
        of_bands = rearrange(delta, "rows (band unit) -> band rows unit", band=len(self.weight))
        memory = None if self.dtype == self.weight.dtype else self.cast_memory
        grad = torch.bmm(self.seen(x).mT, of_bands, out=memory)
        self.add_grad(grad.mul_(self.mask.to(grad.dtype)))  # of two types torch would make copies
        self.stale = True  # an update's forward products are done, and its end makes the cast stale anyway


def within(side: int, rows: int, reach: int) -> Tensor:
    """1 where a place of a band of so many rows is at most `reach` rows and columns away from a place that
    the band sees, else 0: `(places seen, places of the band)`."""
    down = torch.arange(rows + 2 * reach)[:, None] - reach - torch.arange(rows)
    right = torch.arange(side)[:, None] - torch.arange(side)
    near = (down.abs() <= reach)[:, None, :, None] & (right.abs() <= reach)[None, :, None, :]
    return near.flatten(0, 1).flatten(1).float()

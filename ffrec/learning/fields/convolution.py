"""Convolutions: receptive fields that share their weights."""

import math
from collections.abc import Iterator
from typing import Any, final

import torch
from einops import rearrange
from torch import Tensor, nn
from torch.nn.functional import conv2d, max_pool2d, max_unpool2d, pad
from torch.nn.grad import conv2d_weight

from ffrec.learning.connection import Connection

FEW = 64
"""Places of a map up to which one product of all patches is faster than torch's gradient of a convolution, up
to four times on CPUs."""


AT_ONCE = 10**7
"""Numbers of maps before pooling that exist at once: what a batch needs more of is made part by part."""


@final
class Convolution(Connection):
    """Shared weights `(channels, source channels, kernel, kernel)` on maps of `(channels, height, width)`,
    then the largest of every `pool` × `pool` places, where the pools do not overlap.

    Source and layer are rows of units, ordered place by place, so that torch reads and writes them as maps
    with channels last, without a copy. A channel has one bias for all places: adding it, or a rectifier,
    before or after the largest is taken makes no difference. Weights learn from the places that were largest
    in the last `forward`. Raises ValueError if the kernel is larger than the padded map, or a pool than what
    the kernel makes of it.
    """

    def __init__(
        self,
        source: tuple[int, int, int],
        channels: int,
        kernel: int,
        generator: torch.Generator,
        stride: int = 1,
        padding: int = 0,
        pool: int = 1,
    ) -> None:
        below, height, width = source
        if kernel > min(height, width) + 2 * padding:
            raise ValueError(f"kernel: expected at most {min(height, width) + 2 * padding}, found {kernel}")
        self.source, self.stride, self.padding, self.pool = source, stride, padding, pool
        places = [(side + 2 * padding - kernel) // stride + 1 for side in (height, width)]
        if pool > min(places):
            raise ValueError(f"pool: expected at most {min(places)}, found {pool}")
        self.whole = (places[0], places[1])
        """Height and width before pooling."""
        self.map = (channels, places[0] // pool, places[1] // pool)
        """Channels, height and width of the layer."""
        units, fan_in = channels * self.map[1] * self.map[2], below * kernel**2
        super().__init__(below * height * width, units, (channels, below, kernel, kernel), fan_in, generator)
        last: Any = torch.channels_last  # in memory as maps are, and as the products below make gradients
        self.weight = nn.Parameter(self.weight.to(memory_format=last), requires_grad=False)
        self.bias_units = channels
        of_patches = below * kernel**2 if math.prod(places) <= FEW else 0
        self.rows = max(1, AT_ONCE // (max(channels, of_patches) * math.prod(places)))
        """How many rows are worked on at once, at the most."""
        self.short = torch.int16 if math.prod(self.whole) < 2**15 else torch.int32
        self.largest: list[Tensor] = []
        """The places that were largest, part by part."""

    def forward(self, x: Tensor) -> Tensor:
        maps = as_maps(x, self.source)
        if self.pool == 1:
            return as_rows(self.convolved(maps)).view(*x.shape[:-1], self.units)
        parts, self.largest = [], []
        count = self.parts(maps)
        kept = self.short if count > 1 else torch.int64  # torch's own type costs memory; others, time
        for part in maps.chunk(count):
            pooled, places = max_pool2d(self.convolved(part), self.pool, return_indices=True)
            parts.append(as_rows(pooled))
            self.largest.append(places.to(kept))
        rows = parts[0] if len(parts) == 1 else torch.cat(parts)
        return rows.view(*x.shape[:-1], self.units)

    def parts(self, maps: Tensor) -> int:
        """In how many parts of about the same size rows are worked on."""
        return max(1, -(-len(maps) // self.rows))

    def convolved(self, maps: Tensor) -> Tensor:
        """The maps before pooling."""
        return conv2d(maps, self.working, stride=self.stride, padding=self.padding)

    def add_weight_grad(self, x: Tensor, delta: Tensor) -> None:
        maps = as_maps(x, self.source)
        parts = maps.chunk(self.parts(maps))
        for part, deltas in zip(parts, self.unpooled(as_maps(delta, self.map)), strict=True):
            self.add_grad_of(part, deltas)

    def unpooled(self, deltas: Tensor) -> Iterator[Tensor]:
        """The δ of the maps before pooling, part by part."""
        parts = deltas.chunk(self.parts(deltas))
        if self.pool == 1:
            yield from parts
            return
        seen = sum(map(len, self.largest))
        if seen != len(deltas):
            raise ValueError(f"pool: expected the rows of the last forward, {seen}, found {len(deltas)}")
        for part, places in zip(parts, self.largest, strict=True):
            yield max_unpool2d(part, places.to(torch.int64), [self.pool] * 2, output_size=self.whole)

    def add_grad_of(self, maps: Tensor, deltas: Tensor) -> None:
        """Add to the gradient what maps, and the δ of what becomes of them before pooling, make."""
        shape = tuple(self.weight.shape)
        if self.whole[0] * self.whole[1] > FEW:
            grad = conv2d_weight(maps, shape, deltas, stride=self.stride, padding=self.padding)
        else:
            patches = self.patches(maps)
            product = as_rows(deltas).view(len(patches), -1).T @ patches
            grad = rearrange(product, "channel (y x below) -> channel below y x", y=shape[2], x=shape[3])
        self.add_grad(grad)

    def patches(self, maps: Tensor) -> Tensor:
        """What every place sees, `(rows · places, kernel² · source channels)`, pixel by pixel."""
        kernel, (height, width) = self.weight.shape[2], self.whole
        padded = pad(maps, (self.padding,) * 4).permute(0, 2, 3, 1)
        down, right = self.stride * (height - 1) + 1, self.stride * (width - 1) + 1
        seen = [
            padded[:, y : y + down : self.stride, x : x + right : self.stride]
            for y in range(kernel)
            for x in range(kernel)
        ]
        return torch.cat(seen, dim=3).flatten(0, 2)

    def __getstate__(self) -> dict[str, Any]:
        """Nothing of the last batch goes into a copy or a pickle."""
        return super().__getstate__() | {"largest": []}


def as_maps(rows: Tensor, shape: tuple[int, int, int]) -> Tensor:
    """Rows `(..., units)`, ordered place by place, as maps `(rows, channels, height, width)`; channels are
    last in memory."""
    channels, height, width = shape
    return rows.reshape(-1, height, width, channels).permute(0, 3, 1, 2)


def as_rows(maps: Tensor) -> Tensor:
    """Maps `(rows, channels, height, width)` as rows of units, ordered place by place: `(rows, units)`."""
    return maps.permute(0, 2, 3, 1).flatten(1)

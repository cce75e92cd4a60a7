"""Convolutions: receptive fields that share their weights."""

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
        self.largest: Tensor | None = None

    def forward(self, x: Tensor) -> Tensor:
        maps = conv2d(as_maps(x, self.source), self.working, stride=self.stride, padding=self.padding)
        if self.pool > 1:
            maps, self.largest = max_pool2d(maps, self.pool, return_indices=True)
        return as_rows(maps).view(*x.shape[:-1], self.units)

    def add_weight_grad(self, x: Tensor, delta: Tensor) -> None:
        deltas, shape = as_maps(delta, self.map), tuple(self.weight.shape)
        if self.pool > 1:
            seen = 0 if self.largest is None else len(self.largest)
            if self.largest is None or seen != len(deltas):
                raise ValueError(f"pool: expected the rows of the last forward, {seen}, found {len(deltas)}")
            deltas = max_unpool2d(deltas, self.largest, [self.pool] * 2, output_size=self.whole)
        maps = as_maps(x, self.source)
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
        return super().__getstate__() | {"largest": None}


def as_maps(rows: Tensor, shape: tuple[int, int, int]) -> Tensor:
    """Rows `(..., units)`, ordered place by place, as maps `(rows, channels, height, width)`; channels are
    last in memory."""
    channels, height, width = shape
    return rows.reshape(-1, height, width, channels).permute(0, 3, 1, 2)


def as_rows(maps: Tensor) -> Tensor:
    """Maps `(rows, channels, height, width)` as rows of units, ordered place by place: `(rows, units)`."""
    return maps.permute(0, 2, 3, 1).flatten(1)

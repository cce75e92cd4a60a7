"""Connections that know where a unit is: local receptive fields, and convolutions, which share their
weights."""

from typing import final

import torch
from einops import rearrange
from torch import Tensor
from torch.nn.functional import conv2d
from torch.nn.grad import conv2d_weight

from ffrec.learning.connection import Connection


@final
class Local(Connection):
    """Receptive fields without weight sharing: weights `(locations, field, channels)`.

    `fields` `(locations, field)` names the source units that each location sees; the layer's units are
    ordered location by location. One batched product over locations. Source: Hinton 2022 §3.2, note 8.
    """

    def __init__(self, fields: Tensor, channels: int, generator: torch.Generator) -> None:
        locations, field = fields.shape
        shape = (locations, field, channels)
        super().__init__(int(fields.max()) + 1, locations * channels, shape, field, generator)
        self.register_buffer("fields", fields, persistent=False)
        self.fields: Tensor

    def seen(self, x: Tensor) -> Tensor:
        """What each location sees of `(rows, source units)`: `(locations, rows, field)`."""
        return rearrange(x[:, self.fields], "rows place field -> place rows field")

    def forward(self, x: Tensor) -> Tensor:
        sent = torch.bmm(self.seen(x.flatten(0, -2)), self.working)
        return rearrange(sent, "place rows channel -> rows (place channel)").view(*x.shape[:-1], self.units)

    def add_weight_grad(self, x: Tensor, delta: Tensor) -> None:
        per_place = rearrange(delta, "rows (place channel) -> place rows channel", place=len(self.fields))
        self.add_grad(torch.bmm(self.seen(x).mT, per_place))

    def mask(self) -> Tensor:
        """The same connectivity as a mask `(source units, units)`."""
        mask = torch.zeros(len(self.fields), self.source_units).scatter_(1, self.fields.cpu(), 1.0)
        return mask.repeat_interleave(self.weight.shape[2], dim=0).T


@final
class Convolution(Connection):
    """Shared weights `(channels, source channels, kernel, kernel)` on maps `(channels, height, width)`.

    Source and layer are rows of units, ordered channel by channel. A channel has one bias for all places.
    Raises ValueError if the kernel is larger than the padded map.
    """

    def __init__(
        self,
        source: tuple[int, int, int],
        channels: int,
        kernel: int,
        generator: torch.Generator,
        stride: int = 1,
        padding: int = 0,
    ) -> None:
        below, height, width = source
        if kernel > min(height, width) + 2 * padding:
            raise ValueError(f"kernel: expected at most {min(height, width) + 2 * padding}, found {kernel}")
        self.source, self.stride, self.padding = source, stride, padding
        places = [(side + 2 * padding - kernel) // stride + 1 for side in (height, width)]
        self.map = (channels, places[0], places[1])
        """Channels, height and width of the layer."""
        units, fan_in = channels * places[0] * places[1], below * kernel**2
        super().__init__(below * height * width, units, (channels, below, kernel, kernel), fan_in, generator)
        self.bias_units = channels

    def forward(self, x: Tensor) -> Tensor:
        maps = x.reshape(-1, *self.source)
        sent = conv2d(maps, self.working, stride=self.stride, padding=self.padding)
        return sent.reshape(*x.shape[:-1], self.units)

    def add_weight_grad(self, x: Tensor, delta: Tensor) -> None:
        maps, deltas = x.reshape(-1, *self.source), delta.reshape(-1, *self.map)
        shape = tuple(self.weight.shape)
        grad = conv2d_weight(maps, shape, deltas, stride=self.stride, padding=self.padding)
        self.add_grad(grad)


def square_fields(side: int, field: int, stride: int, channels: int = 1) -> Tensor:
    """Square receptive fields on a square map of `side` × `side` places with `channels` units each.

    Returns the units `(locations, field² · channels)` that each of the (side − field) / stride + 1 squared
    locations sees, both ordered row by row. Raises ValueError if the fields do not tile the map.
    """
    if field > side or (side - field) % stride:
        raise ValueError(
            f"local: expected fields that tile a side of {side}, found {field} with stride {stride}: choose "
            "a stride that divides the side less the field"
        )
    units = rearrange(torch.arange(side * side * channels), "(y x c) -> y x c", y=side, x=side)
    patches = units.unfold(0, field, stride).unfold(1, field, stride)  # (down, right, channels, y, x)
    return rearrange(patches, "down right c y x -> (down right) (y x c)")

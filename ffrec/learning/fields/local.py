"""Local receptive fields, location by location: any number of channels at each of a few locations."""

from typing import final

import torch
from einops import rearrange
from torch import Tensor

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
    places = torch.arange(side * side * channels, device="cpu")  # also of a network that is only planned
    units = rearrange(places, "(y x c) -> y x c", y=side, x=side)
    patches = units.unfold(0, field, stride).unfold(1, field, stride)  # (down, right, channels, y, x)
    return rearrange(patches, "down right c y x -> (down right) (y x c)")

"""Wiring: which units of a source reach which units of a layer, and the products that follow from it."""

from abc import ABC, abstractmethod
from typing import final

import torch
from einops import rearrange
from torch import Tensor, nn

from ffrec.config import ConfigError


class Wiring(nn.Module, ABC):
    """One connection's pattern. Its weights are the layer's; their shape and their two products are here."""

    def __init__(self, source_units: int, fan_in: int, units: int, shape: tuple[int, ...]) -> None:
        super().__init__()
        self.source_units, self.fan_in, self.units, self.shape = source_units, fan_in, units, shape

    def draw(self, generator: torch.Generator) -> Tensor:
        """Weights from N(0, 1 / fan-in)."""
        return torch.randn(self.shape, generator=generator).div_(self.fan_in**0.5)

    @abstractmethod
    def product(self, x: Tensor, weight: Tensor) -> Tensor:
        """x W: what units `(..., source units)` send to `(..., units)`."""

    @abstractmethod
    def accumulate(self, onto: Tensor, x: Tensor, delta: Tensor, scale: float) -> None:
        """Add scale · xᵀ δ to a tensor like the weights; x `(rows, source units)`, δ `(rows, units)`."""


@final
class Full(Wiring):
    """Every unit of the source reaches every unit: weights `(source units, units)`."""

    def __init__(self, source: int, units: int) -> None:
        super().__init__(source, source, units, (source, units))

    def product(self, x: Tensor, weight: Tensor) -> Tensor:
        rows = x.reshape(-1, len(weight)) @ weight  # one product: torch may make many of three axes
        return rows.view(*x.shape[:-1], self.units)

    def accumulate(self, onto: Tensor, x: Tensor, delta: Tensor, scale: float) -> None:
        if torch.is_autocast_enabled(x.device.type):  # which knows no product in place
            onto.add_(x.T @ delta, alpha=scale)
        else:
            onto.addmm_(x.T, delta, alpha=scale)


@final
class Masked(Wiring):
    """Any connectivity: weights `(source units, units)` that are zero, and stay so, where the mask is.

    Source: Hinton 2022 §4, note 13. Simple and wasteful: it computes with every zero.
    """

    def __init__(self, mask: Tensor) -> None:
        source, units = mask.shape
        super().__init__(source, int(mask.sum(0).max()), units, (source, units))
        self.register_buffer("mask", mask.float(), persistent=False)
        self.mask: Tensor

    def draw(self, generator: torch.Generator) -> Tensor:
        return super().draw(generator) * self.mask

    def product(self, x: Tensor, weight: Tensor) -> Tensor:
        return x @ weight

    def accumulate(self, onto: Tensor, x: Tensor, delta: Tensor, scale: float) -> None:
        onto.add_((x.T @ delta) * self.mask, alpha=scale)


@final
class Local(Wiring):
    """Receptive fields without weight sharing: weights `(locations, field, channels)`.

    `fields` `(locations, field)` names the source units that each location sees; the layer's units are
    ordered location by location. One batched product over locations. Source: Hinton 2022 §3.2, note 8.
    """

    def __init__(self, fields: Tensor, channels: int) -> None:
        locations, field = fields.shape
        super().__init__(int(fields.max()) + 1, field, locations * channels, (locations, field, channels))
        self.register_buffer("fields", fields, persistent=False)
        self.fields: Tensor

    def seen(self, x: Tensor) -> Tensor:
        """What each location sees of `(rows, source units)`: `(locations, rows, field)`."""
        return rearrange(x[:, self.fields], "rows place field -> place rows field")

    def product(self, x: Tensor, weight: Tensor) -> Tensor:
        sent = torch.bmm(self.seen(x.flatten(0, -2)), weight)
        return rearrange(sent, "place rows channel -> rows (place channel)").view(*x.shape[:-1], self.units)

    def accumulate(self, onto: Tensor, x: Tensor, delta: Tensor, scale: float) -> None:
        per_place = rearrange(delta, "rows (place channel) -> place rows channel", place=len(self.fields))
        onto.add_(torch.bmm(self.seen(x).mT, per_place), alpha=scale)

    def mask(self, source: int) -> Tensor:
        """The same connectivity as a mask `(source, units)`."""
        mask = torch.zeros(len(self.fields), source).scatter_(1, self.fields.cpu(), 1.0)
        return mask.repeat_interleave(self.shape[2], dim=0).T


def square_fields(side: int, field: int, stride: int, channels: int = 1) -> Tensor:
    """Square receptive fields on a square map of `side` × `side` places with `channels` units each.

    Returns the units `(locations, field² · channels)` that each of the (side − field) / stride + 1 squared
    locations sees, both ordered row by row. Raises ConfigError if the fields do not tile the map.
    """
    if field > side or (side - field) % stride:
        raise ConfigError(
            f"local: expected fields that tile a side of {side}, found {field} with stride {stride}: choose "
            "a stride that divides the side less the field"
        )
    units = rearrange(torch.arange(side * side * channels), "(y x c) -> y x c", y=side, x=side)
    patches = units.unfold(0, field, stride).unfold(1, field, stride)  # (down, right, channels, y, x)
    return rearrange(patches, "down right c y x -> (down right) (y x c)")

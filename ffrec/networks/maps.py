"""Maps: images and hidden layers whose units have a place."""

from collections.abc import Callable

import torch
from einops import rearrange
from torch import Tensor

from ffrec.config import ConfigError
from ffrec.learning.fields import Bands


def colours(inputs: int) -> tuple[int, int]:
    """Colours and side of square images of so many pixels; raises ConfigError if there are none."""
    for count in (1, 3):
        side = round((inputs / count) ** 0.5)
        if count * side**2 == inputs:
            return count, side
    raise ConfigError(f"maps: expected square images, grey or of three colours, found {inputs} pixels")


def check_square(height: int, width: int) -> None:
    """Raise ConfigError for images that are not square."""
    if height != width:
        raise ConfigError(f"maps: expected square images, found {height} × {width} pixels")


def by_place(x: Tensor, colours: int) -> Tensor:
    """Rows of pixels, colour by colour, `(..., colours · places)`, as units of a map, place by place."""
    return rearrange(x, "... (colour place) -> ... (place colour)", colour=colours)


def check_label_fits(classes: int, pixels: int) -> None:
    """Raise ConfigError where there are too few pixels to write a label over, one for each class."""
    if classes >= pixels:
        raise ConfigError(
            f"label overwrite: expected more pixels than classes, found {pixels} and {classes}: give another"
        )


def write(rows: Tensor, colours: int, classes: int, labels: Tensor | None = None) -> Tensor:
    """Images `(batch, 1, units)`, place by place, with labels `(batch, candidates, 1)` in their first pixels,
    one for each class: as bright as an image gets at the label's, black at the others. The neutral label,
    None, is a share of that brightness in all of them."""
    brightest = rows.amax(-1, keepdim=True)
    if labels is None:
        code = brightest.expand(-1, -1, classes) / classes
    else:
        code = brightest * (labels == torch.arange(classes, device=rows.device))
    code = code.repeat_interleave(colours, -1)
    rest = rows[..., classes * colours :].expand(*code.shape[:-1], -1)
    return torch.cat([code, rest], dim=-1)


def contrast(x: Tensor, colours: int) -> Tensor:
    """Rows of pixels, colour by colour, as units of a map, place by place, that count from their mean: how
    bright an image is as a whole says little, and would drown the rest."""
    units = by_place(x, colours)
    return units - units.mean(-1, keepdim=True)


def local_fields(
    field: int, inputs: int, hidden: tuple[int, ...]
) -> Callable[[int, int, torch.Generator], Bands]:
    """What makes connections from so many units to so many, all of them maps with the sides of the image.

    Raises ConfigError if the image is not square, if the field is larger than every place needs to see all of
    it, or if hidden layers have not the same number of units at every place.
    """
    side = colours(inputs)[1]
    places = side**2
    if field > 2 * side - 1:
        raise ConfigError(
            f"field: expected at most {2 * side - 1}, with which every place sees the whole image, found "
            f"{field}"
        )
    for units in hidden:
        if units % places:
            raise ConfigError(
                f"field: expected the same number of units at each of the {side} × {side} places of the "
                f"image, found {units} units: give a multiple of {places}"
            )

    def connect(below: int, units: int, generator: torch.Generator) -> Bands:
        return Bands(side, field, below // places, units // places, generator)

    return connect

"""Images as the networks take them: rows of pixels, shifted or shuffled where a recipe says so."""

from collections.abc import Callable
from copy import copy
from typing import Protocol

import torch
from einops import rearrange
from torch import Tensor
from torch.nn.functional import pad

from ffrec.data.draws import Draws


def jitter(images: Tensor, pixels: int, draws: Draws) -> Tensor:
    """Shift every image `(batch, height, width)`, or with colours last, by up to `pixels` in both directions;
    every shift is as likely as any other.

    What is shifted in is 0. Source: Hinton 2022 §3.3 (two pixels there: 25 shifts).
    """
    return shift(images, pixels, draws.integers(0, 2 * pixels + 1, (len(images), 2)) - pixels)


def shift(images: Tensor, most: int, by: Tensor) -> Tensor:
    """Move every image up and to the left by its own two whole numbers of pixels `by`, `(batch, 2)`, from
    −most to most; what is shifted in is 0."""
    batch, height, width, *colours = images.shape
    padded = pad(images, (0, 0) * len(colours) + (most, most, most, most))
    down, right = (by + most).T.unsqueeze(2)
    rows = down + torch.arange(height, device=images.device)  # (batch, height)
    columns = right + torch.arange(width, device=images.device)  # (batch, width)
    case = torch.arange(batch, device=images.device)[:, None, None]
    return padded[case, rows[:, :, None], columns[:, None, :]]


def mirror(images: Tensor, draws: Draws) -> Tensor:
    """Images `(batch, height, width)`, or with colours last, each turned left to right with probability ½."""
    turned = draws.chance(0.5, (len(images),))
    return torch.where(turned.view(-1, *(1,) * (images.ndim - 1)), images.flip(2), images)


def cut_out(images: Tensor, side: int, draws: Draws) -> Tensor:
    """Images `(batch, height, width)`, or with colours last, each with a square of `side` pixels set to 0.

    Its centre is any pixel, each as likely as any other: what lies beyond the border is lost. Source: DeVries
    and Taylor 2017.
    """
    hidden = torch.ones(images.shape[:3], dtype=torch.bool, device=images.device)
    for axis in (1, 2):
        places = torch.arange(images.shape[axis], device=images.device)
        first = draws.integers(0, images.shape[axis], (len(images),)) - side // 2
        within = (places >= first[:, None]) & (places < first[:, None] + side)
        hidden = hidden & within.unsqueeze(3 - axis)
    return images.masked_fill(hidden.view(*hidden.shape, *(1,) * (images.ndim - 3)), 0)


def pixel_permutation(pixels: int, seed: int) -> Tensor:
    """One fixed order of the pixels, `(pixels,)`, drawn from a seed."""
    return torch.randperm(pixels, generator=torch.Generator().manual_seed(seed))


def silence(rows: Tensor, share: float, draws: Draws) -> Tensor:
    """Rows `(batch, features)` with every entry set to zero with probability `share`."""
    return rows.masked_fill(draws.chance(share, rows.shape), 0.0)


def add_noise(rows: Tensor, deviation: float, draws: Draws) -> Tensor:
    """Rows `(..., features)` plus Gaussian noise, whose standard deviation is in units of each row's root
    mean square: once normalised, the same as noise on normalised rows."""
    scale = rows.square().mean(-1, keepdim=True).sqrt()
    return rows + deviation * scale * draws.normal(rows.shape, rows.dtype)


class LabelledImages(Protocol):
    """Images `(n, height, width)` or `(n, height, width, colours)` and their labels `(n,)`."""

    @property
    def images(self) -> Tensor: ...
    @property
    def labels(self) -> Tensor: ...


class Images:
    """Images on a device, handed out in batches of rows of float pixels, `(batch, colours · height ·
    width)`."""

    def __init__(
        self, images: Tensor, device: torch.device | str = "cpu", permute: int | None = None
    ) -> None:
        self.images = images.to(device)
        self.features = images[0].numel()
        self.view: Callable[[Tensor], Tensor] | None = None
        self.order = None if permute is None else pixel_permutation(self.features, permute).to(device)

    def __len__(self) -> int:
        return len(self.images)

    def seen(self, view: Callable[[Tensor], Tensor]) -> "Images":
        """The same images, each batch of which is changed by `view` when it is handed out."""
        made = copy(self)
        made.view = view
        return made

    def batch(self, index: Tensor | slice) -> Tensor:
        """The images at `index` as the networks take them."""
        chosen = self.images[index]
        return self.rows(chosen if self.view is None else self.view(chosen))

    def rows(self, images: Tensor) -> Tensor:
        """Images as rows of pixels, colour by colour, permuted if a permutation is set."""
        planes = rearrange(images, "b h w c -> b c h w") if images.ndim == 4 else images
        rows = planes.flatten(1).float()
        return rows if self.order is None else rows[:, self.order]

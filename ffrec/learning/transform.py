"""Transforms: what becomes of a layer's normalised activities before they are sent on."""

from collections.abc import Callable
from typing import final

import torch
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d, max_pool2d

from ffrec.learning.arithmetic import wide
from ffrec.learning.exchange import ALONE, Exchange
from ffrec.learning.fields import as_maps, as_rows

Transform = Callable[[Tensor], Tensor]
"""Normalised activities `(..., units)` to what is sent, `(..., sent units)`; no gradient passes through
it."""

RATE = 0.1  # how fast running moments follow those of a batch
SMALLEST = 1e-5  # variance
SHORTEST = 1e-4  # is added to lengths: where nothing is active, nothing is sent

POOLS: dict[str, Callable[..., Tensor]] = {"max": max_pool2d, "mean": avg_pool2d}


@final
class Pool(nn.Module):
    """Max- or average-pooling of maps of `(channels, height, width)`, ordered place by place, over squares of
    `size` places."""

    def __init__(self, source: tuple[int, int, int], size: int, kind: str = "max") -> None:
        super().__init__()
        if kind not in POOLS or size > min(source[1:]):
            raise ValueError(
                f"pool: expected one of {', '.join(POOLS)} over at most {min(source[1:])} places, found "
                f"{kind!r} over {size}"
            )
        self.source, self.size, self.pool = source, size, POOLS[kind]
        self.map = (source[0], source[1] // size, source[2] // size)
        """Channels, height and width of what is sent."""

    def forward(self, x: Tensor) -> Tensor:
        return as_rows(self.pool(as_maps(x, self.source), self.size)).view(*x.shape[:-1], -1)


@final
class Direction(nn.Module):
    """x / (|x| + 10⁻⁴) at every place of a map, |·| being the Euclidean length over its channels. Rows are
    units `(..., places · channels)`, ordered place by place. Source: slides of Vishal V on Hinton 2022."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.channels = channels

    def forward(self, x: Tensor, exchange: Exchange = ALONE) -> Tensor:
        del exchange
        by_place: Tensor = x.unflatten(-1, (-1, self.channels))
        length = torch.linalg.vector_norm(by_place, dim=-1, keepdim=True)
        sent: Tensor = by_place / (length + SHORTEST)
        return sent.flatten(-2)


@final
class BlackBox(nn.Module):
    """Anything that makes finite numbers of the same shape, differentiable or not: Hinton 2022 §6.

    What it makes is normalised again by `normalise`. Raises ValueError, naming the place, for anything else.
    """

    def __init__(self, box: Transform, normalise: Transform, place: str) -> None:
        super().__init__()
        self.box, self.normalise, self.place = box, normalise, place

    def forward(self, x: Tensor) -> Tensor:
        made = self.box(x.clone())
        try:
            sent = torch.as_tensor(made).detach().to(x)
            found = f"shape {tuple(sent.shape)}" if sent.shape != x.shape else "NaN or infinity"
        except (TypeError, ValueError, RuntimeError):
            sent, found = x.new_empty(0), type(made).__name__
        if sent.shape != x.shape or not sent.isfinite().all():
            raise ValueError(
                f"the black box behind {self.place}: expected finite numbers of shape {tuple(x.shape)}, "
                f"found {found}: mend what it returns"
            )
        return self.normalise(sent)


@final
class Standardise(nn.Module):
    """(x − m) / √(v + 10⁻⁵), with m and v the running mean and variance of every channel: batch normalisation
    (Ioffe and Szegedy 2015) of what is sent rather than of what is received.

    Nothing learns through it, so learning and evaluation use the same running moments. Rows are units
    `(..., places · channels)`, ordered place by place. While `following` is set, the moments first follow
    those of the rows: a tenth of the way, and at first as far as it takes to be those of all batches so far.
    """

    following: bool = False
    """Whether these are images that the network learns from."""
    mean: Tensor
    variance: Tensor
    batches: Tensor

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(channels))
        self.register_buffer("variance", torch.ones(channels))
        self.register_buffer("batches", torch.zeros(()))

    def forward(self, x: Tensor, exchange: Exchange = ALONE) -> Tensor:
        if self.following:
            self.follow(x, exchange)
        scale = (self.variance + SMALLEST).rsqrt()
        shift = -self.mean * scale
        by_channel = x.unflatten(-1, (-1, len(scale)))
        return torch.addcmul(shift.to(x.dtype), by_channel, scale.to(x.dtype)).flatten(-2)

    def follow(self, x: Tensor, exchange: Exchange) -> None:
        """Let the moments follow those of a batch of rows."""
        by_channel = x.reshape(-1, len(self.mean))
        mean = exchange.mean(by_channel.mean(0, dtype=wide(x.dtype)))
        square = exchange.mean(by_channel.square().mean(0, dtype=wide(x.dtype)))
        rate = (self.batches.add_(1).reciprocal()).clamp_min(RATE)
        self.mean.lerp_(mean.to(self.mean.dtype), rate)
        self.variance.lerp_((square - mean.square()).clamp_min(0).to(self.mean.dtype), rate)

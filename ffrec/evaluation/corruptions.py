"""Ten ways to spoil an image, each at three severities: how a network does on what it was not trained on.

The names and most equations follow Hendrycks and Dietterich 2019 (ImageNet-C) and Mu and Gilmer 2019
(MNIST-C); the strengths are ours, since theirs are for images of one size. Images are `(batch, height, width,
colours)` with pixels x in [0, 1], lengths are shares of an image's height, and results are clipped to [0, 1].
"""

from collections.abc import Callable
from typing import NamedTuple

import torch
from einops import rearrange
from torch import Tensor
from torch.nn.functional import affine_grid, conv2d, grid_sample, pad

from ffrec.data.draws import Draws
from ffrec.data.images import shift

BATCH = 500  # images corrupted together; bounds memory and changes no result


def gaussian_noise(x: Tensor, sigma: float, draws: Draws) -> Tensor:
    """x + σ ε, with ε from N(0, 1) for every number."""
    return x + sigma * draws.normal(x.shape)


def speckle_noise(x: Tensor, sigma: float, draws: Draws) -> Tensor:
    """x + σ x ε, with ε from N(0, 1) for every number."""
    return x + sigma * x * draws.normal(x.shape)


def impulse_noise(x: Tensor, share: float, draws: Draws) -> Tensor:
    """A share of all numbers becomes 0 or 1, either as likely."""
    u = draws.uniform(x.shape)
    return torch.where(u < share, (u < share / 2).to(x.dtype), x)


def gaussian_blur(x: Tensor, length: float, _draws: Draws) -> Tensor:
    """x ∗ k, with k(i) ∝ exp(−i² / 2σ²) down and across, cut at 3σ; beyond its edge an image goes on as it
    ends."""
    sigma = length * x.shape[1]
    reach = max(1, round(3 * sigma))
    i = torch.arange(-reach, reach + 1, device=x.device, dtype=x.dtype)
    k = (-i.square() / (2 * sigma**2)).exp()
    k = k / k.sum()
    planes = rearrange(x, "b h w c -> (b c) 1 h w")
    wide = pad(planes, (reach, reach, reach, reach), mode="replicate")
    blurred = conv2d(conv2d(wide, k.view(1, 1, -1, 1)), k.view(1, 1, 1, -1))
    return rearrange(blurred, "(b c) 1 h w -> b h w c", c=x.shape[3])


def contrast(x: Tensor, factor: float, _draws: Draws) -> Tensor:
    """m + f (x − m), with m the mean of a colour over the image."""
    mean = x.mean((1, 2), keepdim=True)
    return mean + factor * (x - mean)


def brightness(x: Tensor, added: float, _draws: Draws) -> Tensor:
    """x + b: a black background becomes grey."""
    return x + added


def occlusion(x: Tensor, length: float, draws: Draws) -> Tensor:
    """A square at a random place inside the image becomes 0, in all colours."""
    height, width = x.shape[1:3]
    side = max(1, round(length * height))
    top = draws.integers(0, height - side + 1, (len(x), 1))
    left = draws.integers(0, width - side + 1, (len(x), 1))
    down, across = (torch.arange(size, device=x.device) for size in (height, width))
    rows, columns = (down >= top) & (down < top + side), (across >= left) & (across < left + side)
    return x.masked_fill((rows[:, :, None] & columns[:, None, :]).unsqueeze(3), 0.0)


def dropped_pixels(x: Tensor, share: float, draws: Draws) -> Tensor:
    """Each pixel becomes 0, in all colours, with this probability."""
    return x.masked_fill(draws.chance(share, x.shape[:3]).unsqueeze(3), 0.0)


def translate(x: Tensor, length: float, draws: Draws) -> Tensor:
    """Moved by whole pixels, as far up or down as to the left or right; what comes in is 0."""
    by = max(1, round(length * x.shape[1]))
    signs = 2 * draws.integers(0, 2, (len(x), 2)) - 1
    return shift(x, by, by * signs)


def rotate(x: Tensor, degrees: float, draws: Draws) -> Tensor:
    """Turned about the centre, to either side, with bilinear interpolation; what comes in is 0."""
    sign = (2 * draws.integers(0, 2, (len(x), 1)) - 1).to(x.dtype).flatten()
    angle = sign * torch.tensor(degrees, dtype=x.dtype, device=x.device).deg2rad()
    cos, sin, none = angle.cos(), angle.sin(), torch.zeros_like(angle)
    theta = torch.stack([cos, -sin, none, sin, cos, none], dim=1).view(-1, 2, 3)
    planes = rearrange(x, "b h w c -> b c h w")
    grid = affine_grid(theta, list(planes.shape), align_corners=False)
    turned = grid_sample(planes, grid, mode="bilinear", padding_mode="zeros", align_corners=False)
    return rearrange(turned, "b c h w -> b h w c")


class Corruption(NamedTuple):
    """What is done to an image, and how strongly at severities 1, 2 and 3."""

    apply: Callable[[Tensor, float, Draws], Tensor]
    strengths: tuple[float, float, float]


CORRUPTIONS: dict[str, Corruption] = {
    "gaussian_noise": Corruption(gaussian_noise, (0.15, 0.3, 0.5)),
    "speckle_noise": Corruption(speckle_noise, (0.3, 0.6, 1.0)),
    "impulse_noise": Corruption(impulse_noise, (0.05, 0.15, 0.3)),
    "gaussian_blur": Corruption(gaussian_blur, (0.03, 0.05, 0.08)),
    "contrast": Corruption(contrast, (0.5, 0.3, 0.15)),
    "brightness": Corruption(brightness, (0.1, 0.2, 0.4)),
    "occlusion": Corruption(occlusion, (0.25, 0.4, 0.5)),
    "dropped_pixels": Corruption(dropped_pixels, (0.25, 0.5, 0.7)),
    "translate": Corruption(translate, (0.07, 0.11, 0.18)),
    "rotate": Corruption(rotate, (15.0, 30.0, 45.0)),
}
"""In the order of the tables; what is drawn for one depends on its place here."""
SEVERITIES = (1, 2, 3)


def corrupted(images: Tensor, name: str, severity: int, brightest: float, seed: int = 0) -> Tensor:
    """Images `(n, height, width[, colours])` with pixels 0 to `brightest`, corrupted, as floats.

    What is drawn for an image depends on the seed, the corruption and the image's place alone, so that every
    network sees the same images. Severity 0 corrupts nothing.
    """
    if severity not in (0, *SEVERITIES):
        raise ValueError(f"severity: expected 0 to {SEVERITIES[-1]}, found {severity}")
    if severity == 0:
        return images.float()
    corruption, draws = CORRUPTIONS[name], Draws(seed, images.device)
    done = []
    for first in range(0, len(images), BATCH):
        x = images[first : first + BATCH].float() / brightest
        draws.begin(0, len(x), first, stream=list(CORRUPTIONS).index(name))
        whole = x if x.ndim == 4 else x.unsqueeze(3)
        spoiled = corruption.apply(whole, corruption.strengths[severity - 1], draws)
        done.append(spoiled.clamp(0, 1).reshape(x.shape) * brightest)
    return torch.cat(done)

"""Negative data by image: two images mixed under a mask of large regions."""

from functools import cache
from typing import final

import torch
from torch import Tensor

from ffrec.data.draws import Draws
from ffrec.negatives.labels import Negatives, shuffled_labels, uniform_labels
from ffrec.registry import register

BLURS = 10 / 28**2  # passes of the filter that makes a mask's regions, for a side of 1: ten for MNIST
LABELS = {"uniform": uniform_labels, "shuffled": shuffled_labels}
"""Labels of hybrid images: wrong for the first parent, or those of the batch in another order."""


@cache
def blur(size: int, device: torch.device) -> Tensor:
    """Passes of the filter [¼, ½, ¼], reflected at the ends, as one matrix `(size, size)`.

    Their number grows with size², so that regions keep their size relative to the image.
    """
    eye = torch.eye(size, dtype=torch.float64)
    padded = torch.cat([eye[:1], eye, eye[-1:]])
    once = padded[:-2] / 4 + padded[1:-1] / 2 + padded[2:] / 4
    repeated: Tensor = torch.linalg.matrix_power(once, max(1, round(BLURS * size**2)))
    return repeated.float().to(device)


def masks(count: int, height: int, width: int, draws: Draws) -> Tensor:
    """Masks `(count, height, width)` of ones and zeros in large regions, half of each on average.

    Random bits, blurred repeatedly in both directions, cut at 0.5. Source: Hinton 2022 §3.2.
    """
    where, bits = draws.device, draws.chance(0.5, (count, height, width)).float()
    return (blur(height, where) @ bits @ blur(width, where).T >= 0.5).float()


def hybrid(one: Tensor, other: Tensor, mask: Tensor) -> Tensor:
    """one · mask + other · (1 − mask), all of one shape. Source: Hinton 2022 §3.2, figure 1."""
    return torch.where(mask.bool(), one, other)


def hybrid_images(images: Tensor, others: Tensor, draws: Draws) -> Tensor:
    """Images mixed with others, `(batch, height, width)` or `(batch, height, width, colours)`, each under a
    mask of its own."""
    batch, height, width, *colours = images.shape
    mask = masks(batch, height, width, draws)
    return hybrid(images, others, mask[..., None] if colours else mask)


class Mixed(Negatives):
    """Images that are made of two. In a network with labels they have one too: `labelled` names how."""

    hybrid = True
    asks = False

    def __init__(self, labelled: str = "shuffled") -> None:
        self.draw_labels = LABELS[labelled]

    def labels(self, logits: Tensor, labels: Tensor, draws: Draws) -> Tensor:
        return self.draw_labels(logits, labels, draws).unsqueeze(1)


@final
@register("negatives", "hybrid")
class Hybrid(Mixed):
    """Hybrid images: Hinton 2022 §3.2."""

    def images(self, images: Tensor, others: Tensor, draws: Draws) -> Tensor:
        return hybrid_images(images, others, draws)


@final
@register("negatives", "pairs")
class Pairs(Mixed):
    """The mean of an image and another, in place of a hybrid; a positive pair would be an image twice, whose
    mean is the image. With the same weights for both images of a pair this is self-contrastive FF.

    Source: Chen et al. 2025, "Self-contrastive forward-forward algorithm".
    """

    def images(self, images: Tensor, others: Tensor, draws: Draws) -> Tensor:
        del draws
        return (images + others) / 2

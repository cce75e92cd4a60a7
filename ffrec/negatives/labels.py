"""Where negative data comes from: labels that are wrong on purpose, images that are made of two."""

from collections.abc import Callable

import torch
from torch import Tensor

from ffrec.data.sampling import draw

BLURS = 10 / 28**2  # passes of the filter that makes a mask's regions, for a side of 1: ten for MNIST


def hard_labels(logits: Tensor, labels: Tensor, generator: torch.Generator) -> Tensor:
    """Wrong labels sampled in proportion to the network's own probabilities.

    P(k) ∝ exp(logits[k]) for every k but the true label, which has probability exactly zero.
    Shapes: logits `(batch, classes)`, labels `(batch,)`, result `(batch,)`. Source: Hinton 2022 §3.4.
    """
    p = logits.scatter(1, labels.unsqueeze(1), float("-inf")).softmax(1)
    return draw(p, generator)


def uniform_labels(logits: Tensor, labels: Tensor, generator: torch.Generator) -> Tensor:
    """Wrong labels, every one as likely as any other; of the logits only the number of classes is used."""
    classes = logits.shape[1]
    step = torch.randint(1, classes, labels.shape, generator=generator, device=labels.device)
    return (labels + step) % classes


def shuffled_labels(_logits: Tensor, labels: Tensor, generator: torch.Generator) -> Tensor:
    """The same labels in another order: labels for hybrid images, of whose parents they say nothing."""
    return labels[torch.randperm(len(labels), generator=generator, device=labels.device)]


def blur(size: int, device: torch.device) -> Tensor:
    """Passes of the filter [¼, ½, ¼], reflected at the ends, as one matrix `(size, size)`.

    Their number grows with size², so that regions keep their size relative to the image.
    """
    eye = torch.eye(size, device=device, dtype=torch.float64)
    padded = torch.cat([eye[:1], eye, eye[-1:]])
    once = padded[:-2] / 4 + padded[1:-1] / 2 + padded[2:] / 4
    repeated: Tensor = torch.linalg.matrix_power(once, max(1, round(BLURS * size**2)))
    return repeated.float()


def masks(count: int, height: int, width: int, generator: torch.Generator) -> Tensor:
    """Masks `(count, height, width)` of ones and zeros in large regions, half of each on average.

    Random bits, blurred repeatedly in both directions, cut at 0.5. Source: Hinton 2022 §3.2.
    """
    where = generator.device
    bits = torch.randint(2, (count, height, width), generator=generator, device=where).float()
    return (blur(height, where) @ bits @ blur(width, where).T >= 0.5).float()


def hybrid(one: Tensor, other: Tensor, mask: Tensor) -> Tensor:
    """one · mask + other · (1 − mask), all of one shape. Source: Hinton 2022 §3.2, figure 1."""
    return torch.where(mask.bool(), one, other)


def hybrid_images(images: Tensor, others: Tensor, generator: torch.Generator) -> Tensor:
    """Images mixed with others, both `(batch, height, width)`, each under a mask of its own."""
    batch, height, width = images.shape
    return hybrid(images, others, masks(batch, height, width, generator))


NEGATIVE_LABELS: dict[str, Callable[[Tensor, Tensor, torch.Generator], Tensor]] = {
    "hard": hard_labels,
    "uniform": uniform_labels,
    "shuffled": shuffled_labels,
}

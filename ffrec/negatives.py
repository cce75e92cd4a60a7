"""Where negative data comes from: labels that are wrong on purpose."""

from collections.abc import Callable

import torch
from torch import Tensor

from ffrec.sampling import draw


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


NEGATIVES: dict[str, Callable[[Tensor, Tensor, torch.Generator], Tensor]] = {
    "hard": hard_labels,
    "uniform": uniform_labels,
}

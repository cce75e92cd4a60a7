"""Negative data by label: the same image with a label that is wrong."""

from abc import ABC, abstractmethod
from typing import ClassVar, final

import torch
from torch import Tensor

from ffrec.data.draws import Draws
from ffrec.data.sampling import draw
from ffrec.registry import register


class Negatives(ABC):
    """Where negative data comes from. A leaf says which labels negative cases have."""

    hybrid: ClassVar[bool] = False
    """Whether negative images differ from the positive ones, by `images`."""
    several: ClassVar[bool] = False
    """Whether there is more than one negative case for a positive one."""
    absent: ClassVar[bool] = False
    """Whether there is no negative data at all."""
    asks: ClassVar[bool] = True
    """Whether `labels` depends on the logits, and not only on how many there are."""

    @abstractmethod
    def labels(self, logits: Tensor, labels: Tensor, draws: Draws) -> Tensor:
        """Labels of the negative cases, `(batch, negatives)`.

        `logits` `(batch, classes)` are those of the network's own softmax, `labels` `(batch,)` the true ones.
        """

    def images(self, images: Tensor, others: Tensor, draws: Draws) -> Tensor:
        """Negative images, of images and others in random order `(batch, height, width)`: the same ones."""
        del others, draws
        return images


def hard_labels(logits: Tensor, labels: Tensor, draws: Draws) -> Tensor:
    """Wrong labels sampled in proportion to the network's own probabilities.

    P(k) ∝ exp(logits[k]) for every k but the true label, which has probability exactly zero.
    Shapes: logits `(batch, classes)`, labels `(batch,)`, result `(batch,)`. Source: Hinton 2022 §3.4.
    """
    p = logits.scatter(1, labels.unsqueeze(1), float("-inf")).softmax(1)
    return draw(p, draws)


def uniform_labels(logits: Tensor, labels: Tensor, draws: Draws) -> Tensor:
    """Wrong labels, every one as likely as any other; of the logits only the number of classes is used."""
    classes = logits.shape[1]
    step = draws.integers(1, classes, labels.shape)
    return (labels + step) % classes


def shuffled_labels(_logits: Tensor, labels: Tensor, draws: Draws) -> Tensor:
    """The same labels in another order: labels for hybrid images, of whose parents they say nothing."""
    return draws.shuffle(labels)


@final
@register("negatives", "hard")
class Hard(Negatives):
    """One wrong label, sampled from the one-pass softmax: `hard_labels`."""

    def labels(self, logits: Tensor, labels: Tensor, draws: Draws) -> Tensor:
        return hard_labels(logits, labels, draws).unsqueeze(1)


class SeveralHard(Negatives):
    """So many different wrong labels, or all if there are fewer, drawn one after another as `Hard` draws its
    own: the first of them is distributed as that."""

    several = True
    count: ClassVar[int]

    def labels(self, logits: Tensor, labels: Tensor, draws: Draws) -> Tensor:
        p = logits.scatter(1, labels.unsqueeze(1), float("-inf")).softmax(1)
        waiting = p / draws.exponential(p.shape)
        waiting.scatter_(1, labels.unsqueeze(1), -1.0)  # below wrong ones whose p is too small for a float
        return waiting.topk(min(self.count, logits.shape[1] - 1), dim=1).indices


@final
@register("negatives", "hard-2")
class TwoHard(SeveralHard):
    """Two wrong labels, drawn from the one-pass softmax."""

    count = 2


@final
@register("negatives", "hard-3")
class ThreeHard(SeveralHard):
    """Three wrong labels, drawn from the one-pass softmax."""

    count = 3


@final
@register("negatives", "hard-5")
class FiveHard(SeveralHard):
    """Five wrong labels, drawn from the one-pass softmax."""

    count = 5


@final
@register("negatives", "uniform")
class Uniform(Negatives):
    """One wrong label, every one as likely as any other: `uniform_labels`."""

    asks = False

    def labels(self, logits: Tensor, labels: Tensor, draws: Draws) -> Tensor:
        return uniform_labels(logits, labels, draws).unsqueeze(1)


@final
@register("negatives", "all")
class Every(Negatives):
    """Every wrong label of every image. The logistic objective then counts each of them like the true label,
    so that a goodness at the threshold is no longer as likely positive as negative."""

    several = True
    asks = False

    def labels(self, logits: Tensor, labels: Tensor, draws: Draws) -> Tensor:
        del draws
        classes = logits.shape[1]
        return (labels.unsqueeze(1) + torch.arange(1, classes, device=labels.device)) % classes


@final
@register("negatives", "none")
class Absent(Negatives):
    """No negative data: class scores compete with each other instead."""

    absent = True
    asks = False

    def labels(self, logits: Tensor, labels: Tensor, draws: Draws) -> Tensor:
        del logits, draws
        return labels.new_empty(len(labels), 0)

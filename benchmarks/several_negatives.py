"""A plugin: wrong labels in other numbers and mixtures than one hard one."""

from typing import ClassVar

import torch
from torch import Tensor

import ffrec
from ffrec.data.draws import Draws
from ffrec.negatives.labels import Negatives, hard_labels, uniform_labels


@ffrec.register("negatives", "hard-and-uniform")
class HardAndUniform(Negatives):
    """One wrong label in proportion to the softmax's probabilities, and one as likely as any other."""

    several: ClassVar[bool] = True

    def labels(self, logits: Tensor, labels: Tensor, draws: Draws) -> Tensor:
        drawn = hard_labels(logits, labels, draws), uniform_labels(logits, labels, draws)
        return torch.stack(drawn, dim=1)


@ffrec.register("negatives", "softer")
class Softer(Negatives):
    """One wrong label, in proportion to the square roots of the softmax's probabilities."""

    def labels(self, logits: Tensor, labels: Tensor, draws: Draws) -> Tensor:
        return hard_labels(logits / 2, labels, draws).unsqueeze(1)

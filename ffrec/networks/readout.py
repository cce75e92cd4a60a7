"""The softmax that reads hidden layers and never changes them, and its losses."""

import torch
from torch import Tensor, nn
from torch.nn.functional import one_hot

from ffrec.learning.arithmetic import Weighted
from ffrec.learning.exchange import ALONE, Exchange


class Readout(Weighted):
    """p(class | x) = softmax(x V + c), trained by its delta rule on features that it cannot change."""

    exchange: Exchange = ALONE
    """With the processes that learn from other parts of a batch."""

    def __init__(self, features: int, classes: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(features, classes), requires_grad=False)
        self.bias = nn.Parameter(torch.zeros(classes), requires_grad=False)

    def forward(self, x: Tensor) -> Tensor:
        """Logits `(batch, classes)` of features `(batch, features)`."""
        logits = (self.working.T @ x.T).T  # few classes: on a CPU four times as fast as x V
        return logits.to(self.bias.dtype) + self.bias

    def learn(self, x: Tensor, logits: Tensor, labels: Tensor) -> Tensor:
        """Set the gradients of the mean loss, xᵀ ∂loss/∂logits / batch; return its value.

        `labels` are those of the cases, `(batch,)`, or a teacher's probabilities of every class, `(batch,
        classes)`.
        """
        loss, error = self.grade(logits, labels)
        share = self.exchange.share
        grad = (error.to(x.dtype).T @ x).T
        self.weight.grad = grad.to(self.weight.dtype).contiguous() * (share / len(labels))
        self.bias.grad = error.mean(0) * share
        self.exchange.ready(self)
        return loss

    def grade(self, logits: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        """The mean cross-entropy `()`, and its gradient by the logits of each case, p − one-hot."""
        log_p = logits.log_softmax(1)
        error = log_p.exp()
        if labels.is_floating_point():
            return -(labels * log_p).sum(1).mean(), error - labels
        error[torch.arange(len(labels), device=labels.device), labels] -= 1
        return -log_p.gather(1, labels.unsqueeze(1)).mean(), error


class BinaryReadout(Readout):
    """The same softmax, trained by the binary cross-entropy of each of its outputs.

    L = −mean over classes of y log p + (1 − y) log(1 − p), with p = softmax(logits); with g = ∂L/∂p,
    ∂L/∂logits = p ⊙ (g − Σ g p). Source: Gananath 2024 §3.
    """

    def grade(self, logits: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        p = logits.softmax(1)
        y = labels if labels.is_floating_point() else one_hot(labels, logits.shape[1]).to(p.dtype)
        rest = (1 - p).clamp_min(torch.finfo(p.dtype).tiny ** 0.5)
        loss = -(y * logits.log_softmax(1) + (1 - y) * rest.log())
        pull = (1 - y) * p / rest - y
        return loss.mean(), (pull - p * pull.sum(1, keepdim=True)) / p.shape[1]

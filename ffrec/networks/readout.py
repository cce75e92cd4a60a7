"""The softmax that reads hidden layers and never changes them."""

import torch
from torch import Tensor, nn

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
        """Set the gradients of the mean cross-entropy, xᵀ (p − one-hot) / batch; return its value."""
        log_p = logits.log_softmax(1)
        error = log_p.exp()
        error[torch.arange(len(labels), device=labels.device), labels] -= 1
        share = self.exchange.share
        grad = (error.to(x.dtype).T @ x).T
        self.weight.grad = grad.to(self.weight.dtype).contiguous() * (share / len(labels))
        self.bias.grad = error.mean(0) * share
        self.exchange.ready(self)
        return -log_p.gather(1, labels.unsqueeze(1)).mean()

"""What a user would pick instead. The one room where autograd computes gradients for training."""

import torch
from torch import Tensor

from ffrec.layer import normalise
from ffrec.networks.recurrent import Recurrent, Seen


def autograd_learn(network: Recurrent, seen: Seen, labels: Tensor) -> Tensor:
    """The gradients of `Recurrent.learn`, found by autograd from the loss itself.

    Every layer's input is detached, so that no gradient travels from layer to layer or through time. Labels
    `(batch, 2)`, true ones first; parameters must ask for gradients. Returns the loss, summed over layers.
    """
    first, last = network.config.loss
    correct = torch.tensor([1.0, -1.0], dtype=seen.image.dtype)
    image = seen.image[:, :1]
    code = torch.nn.functional.one_hot(labels, network.classes).to(seen.image.dtype) * network.classes**0.5
    states = {level: h.detach().expand(-1, 2, -1) for level, h in seen.activities.items()}
    loss = seen.image.new_zeros(())
    for number in range(1, last + 1):
        x = {0: image, network.top: code} | {level: normalise(h).detach() for level, h in states.items()}
        for level in network.levels:
            layer = network.layer(level)
            total = sum((x[s] @ layer.weights[str(s)] for s in network.sources(level)), start=layer.bias)
            h = total.relu()
            if number >= first:
                goodness = network.goodness.value(h)
                loss = loss - layer.logistic.log_p_correct(goodness, correct).mean()
            damping = network.config.damping
            states[level] = (damping * states[level] + (1 - damping) * h).detach()
    loss = loss / (last - first + 1)
    torch.autograd.backward(loss)
    return loss.detach()

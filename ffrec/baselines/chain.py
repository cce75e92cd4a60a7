"""Feed-forward layers by autograd: what the local update is timed against."""

from collections.abc import Iterable, Mapping

import torch
from torch import Tensor

from ffrec.learning.layer import Layer


def autograd_chain(layers: Iterable[Layer], inputs: Mapping[str, Tensor], target: Tensor) -> Tensor:
    """Add the gradients of a chain of layers, each of its own loss, by autograd: every layer's input is
    detached, so that nothing travels from layer to layer.

    `inputs` is what the first layer's sources send, `(batch, candidates, units)` or codes; `target` is what
    the layers' objectives expect. Parameters must ask for gradients. Returns the loss, summed over layers.
    """
    losses: list[Tensor] = []
    for level, layer in enumerate(layers, 1):
        with torch.enable_grad():
            h = layer(inputs)
            losses.append(layer.objective.grade(layer.goodness.value(h), target).loss)
        inputs = {str(level): layer.send(h.detach())}
    with torch.enable_grad():
        loss = torch.stack(losses).sum()
    torch.autograd.backward(loss)
    return loss.detach()

"""Autograd as the reference: the gradients that every local update has to equal."""

from collections.abc import Iterable, Mapping

import torch
from torch import Tensor
from torch.nn.functional import one_hot

from ffrec.learning.connection import Connection
from ffrec.learning.fields import Bands
from ffrec.learning.goodness import Goodness, normalise
from ffrec.learning.layer import Layer
from ffrec.learning.update import Step, fixed_goodness
from ffrec.networks.network import Encoding
from ffrec.networks.recurrent import Recurrent


def autograd_update(layers: Mapping[int, Layer], steps: Iterable[Step], target: Tensor) -> Tensor:
    """The gradients of `local_update`, found by autograd from the losses, with every layer's input detached.

    Parameters must ask for gradients. Returns the loss, averaged over steps and summed over layers.
    """
    losses = []
    for step in steps:
        with torch.enable_grad():
            inputs = {name: x.detach().expand(-1, step.candidates, -1) for name, x in step.inputs.items()}
            activities = {level: layer(inputs) for level, layer in layers.items()}
            goodness = {level: layer.goodness.value(activities[level]) for level, layer in layers.items()}
            held = {level: g.detach() for level, g in goodness.items()}
            for level, layer in layers.items():
                fixed = fixed_goodness(layers, level, held)
                losses.append(layer.objective.grade(goodness[level], target, fixed).loss)
    with torch.enable_grad():
        loss = torch.stack(losses).sum() * len(layers) / len(losses)
    torch.autograd.backward(loss)
    return loss.detach()


def autograd_recurrent(network: Recurrent, encoding: Encoding, labels: Tensor) -> Tensor:
    """The gradients of `Recurrent.learn` for squares of rectifiers, written without the network's own steps.

    Every layer's input is detached, so that no gradient travels from layer to layer or through time. Labels
    `(batch, 2)`, true ones first; parameters must ask for gradients. Returns the loss, summed over layers.
    """
    first, last = network.config.loss
    target = encoding.input.new_tensor([1.0, -1.0])
    code = one_hot(labels, network.classes).to(encoding.input.dtype) * network.classes**0.5
    states = {level: h.detach().expand(-1, 2, -1) for level, h in encoding.step.activities.items()}
    loss = encoding.input.new_zeros(())
    for number in range(1, last + 1):
        x = {"0": encoding.input[:, :1], str(network.top): code}
        x |= {str(level): normalise(h).detach() for level, h in states.items()}
        for level in network.levels:
            layer = network.layer(level)
            total = sum((sent(layer.connection(s), x[s]) for s in layer.sources), start=layer.bias)
            h = total.relu()
            if number >= first:
                loss = loss + layer.objective.grade(layer.goodness.value(h), target).loss
            damping = network.config.damping
            states[level] = (damping * states[level] + (1 - damping) * h).detach()
    loss = loss / (last - first + 1)
    torch.autograd.backward(loss)
    return loss.detach()


def sent(connection: Connection, x: Tensor) -> Tensor:
    """x W, where autograd finds no gradient for weights that are masked."""
    if isinstance(connection, Bands):
        return connection.product(x, connection.weight * connection.mask)
    return x @ connection.weight


def check_goodness(goodness: Goodness, units: int = 12, seed: int = 0) -> None:
    """Compare the `grad` of a goodness with autograd of its `value`, in float64, on random rectified
    activities.

    Raises ValueError, saying by how much they differ, and where if a unit that is off has a gradient.
    """
    drawn = torch.Generator().manual_seed(seed)
    h = torch.randn(5, 2, units, generator=drawn, dtype=torch.float64).relu()
    with torch.enable_grad():
        leaf = h.clone().requires_grad_()
        value = goodness.value(leaf)
        weight = torch.randn(value.shape, generator=drawn, dtype=torch.float64)
        torch.autograd.backward((value * weight).sum())
    found, wanted = goodness.grad(h, weight), torch.zeros_like(h) if leaf.grad is None else leaf.grad
    if found.shape != h.shape or found[h == 0].any():
        raise ValueError(f"grad: expected shape {tuple(h.shape)} and 0 where h is 0, found another: mend it")
    difference = (found - wanted * (h > 0)).abs().max().item()
    if not difference < 1e-9 + 1e-6 * wanted.abs().max().item():
        raise ValueError(
            f"grad: expected the derivative of value, found one that differs by {difference:.3g}"
        )

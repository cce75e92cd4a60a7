"""Learning one example in one step: Hinton 2022 §6, equations 3 and 4."""

import math

import torch
from torch import Tensor

from ffrec.learning.connection import Codes, Dense
from ffrec.learning.goodness import Blocks, MeanSquare, Minus
from ffrec.networks.feedforward import FeedForward


def one_shot(network: FeedForward, image: Tensor, goodness: float, label: int | None = None) -> None:
    """Change all weights, in one step, so that every layer has exactly this goodness for one example.

    With S the goodness of a layer, S* the one wanted, h its activities and x all that it is sent:

        ε = √(S* / S) − 1,    ΔWₛ = ε / |x|² · xₛ hᵀ

    All activities of a layer grow by the same ratio, so what it sends, normalised, stays as it was, and all
    layers can take their step at once. `image` is `(pixels,)`; `goodness` has the sign of the network's.
    Behind a black box that is stochastic, a layer is sent something else the next time.

    Raises ValueError, with nothing changed, for layers that are not fully connected rectifiers with the mean
    of their squares as goodness, without a label where the network needs one, if a layer is silent or sent
    nothing, and if S* has the wrong sign.
    """
    if (label is None) == network.labelled or label not in (None, *range(network.classes)):
        wanted = f"0 to {network.classes - 1}" if network.labelled else "none"
        raise ValueError(f"label: expected {wanted}, found {label}")
    changes: list[tuple[Tensor, Tensor]] = []
    with torch.no_grad():
        encoding = network.encode(image.unsqueeze(0))
        step = encoding.step
        if label is not None:
            step = next(network.steps(encoding, torch.tensor([[label]], device=image.device)))
        for level in network.levels:
            layer, h = network.layer(level), step.activities[level].squeeze(1)
            if not learns_in_one_step(network, level):
                raise ValueError("one_shot needs fully connected rectifiers with the mean of their squares")
            sent = {s: layer.connection(s).dense(step.inputs[s].squeeze(1)) for s in layer.sources}
            length = sum(part.square().sum().item() for part in sent.values())
            ratio = goodness / layer.goodness_of(h).item() if h.any() else -1.0
            if not (math.isfinite(ratio) and ratio >= 0 and length > 0):
                raise ValueError(
                    f"goodness: expected a finite one of the network's sign and that hidden layer {level} is "
                    f"sent something and not silent, found {goodness} for {layer.goodness_of(h).item():.3g}"
                )
            growth = (ratio**0.5 - 1) / length
            changes += [(layer.connection(s).weight, part.T @ h * growth) for s, part in sent.items()]
        for weights, change in changes:
            weights += change


def learns_in_one_step(network: FeedForward, level: int) -> bool:
    """Whether a hidden layer is one of fully connected rectifiers with the mean of their squares as
    goodness."""
    layer = network.layer(level)
    goodness = layer.goodness
    while isinstance(goodness, Minus | Blocks):
        goodness = goodness.whole
    connected = all(isinstance(layer.connection(s), Dense | Codes) for s in layer.sources)
    return isinstance(goodness, MeanSquare) and connected and network.config.activation == "relu"

"""Learning one example in one step: Hinton 2022 §6, equations 3 and 4."""

import math

import torch
from torch import Tensor

from ffrec.learning.connection import Full
from ffrec.learning.goodness import Blocks, Squares
from ffrec.networks.feedforward import FeedForward


def one_shot(network: FeedForward, image: Tensor, goodness: float, label: int | None = None) -> None:
    """Change all weights, in one step, so that every layer has exactly this goodness for one example.

    With S the goodness of a layer, S* the one wanted, h its activities and x all that it is sent:

        ε = √(S* / S) − 1,    ΔWₛ = ε / |x|² · xₛ hᵀ

    All activities of a layer grow by the same ratio, so what it sends, normalised, stays as it was, and all
    layers can take their step at once. `image` is `(pixels,)`; `goodness` has the sign of the network's.
    Behind a black box that is stochastic, a layer is sent something else the next time.

    Raises ValueError, with nothing changed, for layers that are not fully connected rectifiers judged by
    their squares, without a label where the network needs one, if a layer is silent or sent nothing, and if
    S* has the wrong sign.
    """
    if (label is None) == network.labelled or label not in (None, *range(network.classes)):
        wanted = f"0 to {network.classes - 1}" if network.labelled else "none"
        raise ValueError(f"label: expected {wanted}, found {label}")
    steps: list[tuple[Tensor, Tensor]] = []
    with torch.no_grad():
        seen = network.look(image.unsqueeze(0))
        passed, code = seen.bottom_up, None
        if label is not None:
            told = torch.tensor([label], device=image.device)
            passed = next(network.iterate(seen, told.view(1, 1)))
            code = torch.nn.functional.one_hot(told, network.classes).to(image.dtype) * network.classes**0.5
        for level in network.levels:
            layer, h = network.layer(level), passed.activities[level].squeeze(1)
            if not learns_in_one_step(network, level):
                raise ValueError("one_shot needs fully connected rectifiers judged by their squares")
            x = passed.sources[level - 1] if level > 1 else seen.image
            sent = {str(level - 1): x.squeeze(1)}
            if level == 1 and code is not None:
                sent["label"] = code
            length = sum(part.square().sum().item() for part in sent.values())
            ratio = goodness / layer.judge(h).item() if h.any() else -1.0
            if not (math.isfinite(ratio) and ratio >= 0 and length > 0):
                raise ValueError(
                    f"goodness: expected a finite one of the network's sign and that hidden layer {level} "
                    f"is sent something and not silent, found {goodness} for {layer.judge(h).item():.3g}"
                )
            growth = (ratio**0.5 - 1) / length
            steps += [(layer.weights[source], part.T @ h * growth) for source, part in sent.items()]
        for weights, step in steps:
            weights += step


def learns_in_one_step(network: FeedForward, level: int) -> bool:
    """Whether a hidden layer is one of fully connected rectifiers judged by their squares."""
    layer = network.layer(level)
    judged = isinstance(layer.goodness, Blocks) and isinstance(layer.goodness.whole, Squares)
    connected = all(isinstance(wires, Full) for wires in layer.wiring.values())
    return judged and connected and network.config.activation == "relu"

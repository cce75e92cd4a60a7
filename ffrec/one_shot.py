"""Learning one example in one step: Hinton 2022 §6, equations 3 and 4."""

import torch
from torch import Tensor

from ffrec.goodness import Blocks, Squares
from ffrec.networks.feedforward import FeedForward
from ffrec.wiring import Full


def one_shot(network: FeedForward, image: Tensor, goodness: float, label: int | None = None) -> None:
    """Change all weights, in one step, so that every layer has exactly this goodness for one example.

    With S the goodness of a layer, S* the one wanted, h its activities and x all that it is sent:

        ε = √(S* / S) − 1,    ΔWₛ = ε / |x|² · xₛ hᵀ

    All activities of a layer grow by the same ratio, so what it sends, normalised, stays as it was, and all
    layers can take their step at once. `image` is `(pixels,)`; `goodness` has the sign of the network's.
    Raises ValueError for layers that are not fully connected rectifiers judged by their squares, without a
    label where the network needs one, and if a layer is silent or S* has the wrong sign.
    """
    if (label is None) == network.labelled:
        raise ValueError(f"label: expected {'one' if network.labelled else 'none'}, found {label}")
    with torch.no_grad():
        seen = network.look(image.unsqueeze(0))
        passed, code = seen.bottom_up, None
        if label is not None:
            told = torch.tensor([label], device=image.device)
            passed = next(network.iterate(seen, told.view(1, 1)))
            code = torch.nn.functional.one_hot(told, network.classes).to(image.dtype) * network.classes**0.5
        for level in network.levels:
            layer, h = network.layer(level), passed.activities[level].squeeze(1)
            judged = layer.goodness
            if not (
                isinstance(judged, Blocks)
                and isinstance(judged.whole, Squares)
                and network.config.activation == "relu"
                and all(isinstance(wires, Full) for wires in layer.wiring.values())
            ):
                raise ValueError("one_shot needs fully connected rectifiers judged by their squares")
            ratio = goodness / layer.judge(h).item() if h.any() else -1.0
            if ratio < 0:
                raise ValueError(
                    f"goodness: expected the sign of the network's and a layer that is not silent, found "
                    f"{goodness} for {layer.judge(h).item():.3g} in hidden layer {level}"
                )
            x = passed.sources[level - 1] if level > 1 else seen.image
            sent = {str(level - 1): x.squeeze(1)}
            if level == 1 and code is not None:
                sent["label"] = code
            length = sum(part.square().sum() for part in sent.values())
            for source, part in sent.items():
                layer.weights[source] += part.T @ h * ((ratio**0.5 - 1) / length)

"""Signs that training has collapsed, though every loss is a number: looked for at the end of every epoch."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

DEAD = 0.01  # share of a layer's units that are ever on, below which the layer is called dead
SATURATED = (
    1000.0  # nats: a loss that only goodness far on the wrong side has; good runs begin with up to 100
)
GUESS = 0.98  # of the error or perplexity of guessing: what is no better than that has learnt nothing


def share_on(activities: Iterable[Tensor]) -> list[float]:
    """Share of each layer's units that are on, not 0, for at least one case: of activities `(..., units)`."""
    shares = [(h != 0).flatten(0, -2).any(0).float().mean() for h in activities]
    return torch.stack(shares).tolist() if shares else []


def dead(shares: Sequence[float]) -> list[str]:
    """A warning for each layer of which hardly any unit is ever on."""
    return [
        f"hidden layer {level}: {100 * share:.1f} % of its units are ever on: lower rate or weight_decay"
        for level, share in enumerate(shares, 1)
        if share < DEAD
    ]


def saturated(losses: Sequence[float]) -> list[str]:
    """A warning for each layer whose goodness is so far on the wrong side that it hardly learns."""
    return [
        f"hidden layer {level}: its goodness is saturated, with a loss of {loss:.3g} nats: bring threshold, "
        "sharpness or rate nearer to the recipe's"
        for level, loss in enumerate(losses, 1)
        if loss > SATURATED
    ]


def guessed(found: Mapping[str, Any], part: str) -> list[str]:
    """A warning for each number measured on a part of the images that is no better than always naming the
    most frequent class."""
    guess = 100 * (1 - max(map(sum, found["confusion"])) / found["images"])
    return [
        f"{part}: an error of {found[f'error_{by}']:.2f} % by {by} is no better than guessing ({guess:.2f} %)"
        for by in ("goodness", "softmax")
        if found.get(f"error_{by}", 0.0) > GUESS * guess
    ]


def guessed_text(perplexity: float, unigram: float, part: str) -> list[str]:
    """A warning for a perplexity that is no better than that of counting single characters."""
    if perplexity < GUESS * unigram:
        return []
    return [f"{part}: a perplexity of {perplexity:.2f} is no better than counting characters ({unigram:.2f})"]

"""What it is worth that the hidden layers of a run on a text learn locally."""

from collections.abc import Mapping
from typing import Any

RANDOM, BACKPROP = "random features", "backpropagation"
"""How the names of trained baselines begin."""
LEARNING = "learning, below random features"
BY_SOFTMAX = "by the softmax alone"
RATIO = "over backpropagation"


def worth(result: Mapping[str, Any], baselines: Mapping[str, Any]) -> dict[str, float]:
    """(random − learnt) / random, of the whole prediction and of the softmax beside it, and learnt /
    backpropagation: test perplexities without a memory. What cannot be said is missing.

    Whole predictions are with exponents, if there are any, and those of the softmax without. Of random
    features and of backpropagation it is the one that predicts the validation strings best.
    """
    test = result["test"]
    own = test.get("softmax_perplexity", test["perplexity"])
    random, gradients = best(RANDOM, baselines), best(BACKPROP, baselines)
    found = {}
    if random is not None:
        found[LEARNING] = (random["perplexity"] - own) / random["perplexity"]
        if "softmax" in test.get("by_part", {}):
            alone = random.get("by_part", {}).get("softmax", random["perplexity"])
            found[BY_SOFTMAX] = (alone - test["by_part"]["softmax"]) / alone
    if gradients is not None:
        found[RATIO] = own / gradients["perplexity"]
    return found


def best(kind: str, baselines: Mapping[str, Any]) -> dict[str, Any] | None:
    """What the best baseline of a kind, which validation strings choose, reaches on test strings; None
    without."""
    found = [each for name, each in baselines.items() if name.startswith(kind) and "memory" not in name]
    if not found:
        return None
    chosen: dict[str, Any] = min(found, key=lambda each: float(each["validation"]["perplexity"]))["test"]
    return chosen

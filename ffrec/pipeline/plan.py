"""Which hidden levels each stage of a pipeline has: the contiguous parts whose largest cost is least."""

from collections.abc import Sequence
from functools import cache
from itertools import pairwise


def partition(costs: Sequence[float], stages: int, before: float = 0.0, after: float = 0.0) -> list[range]:
    """Levels 1 … L in as many contiguous parts as there are stages, the dearest as cheap as can be.

    `costs` are of the levels; the first stage also pays `before`, the last one `after`. With c(a … b) what
    levels a to b cost, the least of the largest over s stages of the first b levels is

        f(s, b) = min over a of max(f(s − 1, a), c(a + 1 … b)).

    Raises ValueError unless every stage can have a level.
    """
    levels = len(costs)
    if not 1 <= stages <= levels:
        raise ValueError(f"expected 1 to {levels} stages for {levels} hidden layers, found {stages}")

    @cache
    def best(count: int, upto: int) -> tuple[float, tuple[int, ...]]:
        """What the dearest of `count` stages costs, and the last level of each but the last."""
        extra = after if upto == levels else 0.0
        if count == 1:
            return before + sum(costs[:upto]) + extra, ()
        found = []
        for cut in range(count - 1, upto):
            below, cuts = best(count - 1, cut)
            found.append((max(below, sum(costs[cut:upto]) + extra), (*cuts, cut)))
        return min(found)

    cuts = (0, *best(stages, levels)[1], levels)
    return [range(a + 1, b + 1) for a, b in pairwise(cuts)]

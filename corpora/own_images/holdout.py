"""Rows held out of a set, so that every class keeps its share."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor


def hold_out(labels: "Tensor", share: float, seed: int) -> tuple["Tensor", "Tensor"]:
    """Rows to keep and rows to hold out, each in order, of labels `(n,)`; stratified, and fixed by `seed`.

    `share` of all rows is held out, to the nearest one; of every class its share, rounded down or up, and at
    least one.
    """
    import torch

    mixed = torch.randperm(len(labels), generator=torch.Generator().manual_seed(seed))
    counts = quotas(labels.bincount().tolist(), share)
    held = torch.cat([mixed[labels[mixed] == place][:count] for place, count in enumerate(counts)])
    kept = torch.ones(len(labels), dtype=torch.bool).index_fill_(0, held, False)
    return kept.nonzero().flatten(), held.sort().values


def quotas(counts: list[int], share: float) -> list[int]:
    """How many of each class to hold out: the largest remainders are rounded up until the sum is right."""
    held = [max(1, int(count * share)) for count in counts]
    rest = [count * share - whole for count, whole in zip(counts, held, strict=True)]
    short = max(0, round(sum(rest)))
    for place in sorted(range(len(counts)), key=lambda place: -rest[place])[:short]:
        held[place] += 1
    return held

"""Iterations that really end where a label is far enough ahead: the cost of an early exit, not its count."""

import torch
from torch import Tensor

from ffrec.learning.update import Step
from ffrec.networks.network import Encoding
from ffrec.networks.recurrent import Recurrent


@torch.no_grad()
def stop_early(network: Recurrent, rows: Tensor, margin: float) -> tuple[Tensor, Tensor]:
    """What `early_exit` finds in recorded goodness, `(batch,)` both, for rows of pixels `(batch, pixels)`;
    the iterations count from the evaluation window's first, and an image that is done takes no more."""
    encoding, (first, last) = network.encode(rows), network.window
    every = torch.arange(network.classes, device=rows.device)
    answers, spent = (torch.zeros(len(rows), dtype=torch.long, device=rows.device) for _ in range(2))
    left, total = torch.arange(len(rows), device=rows.device), torch.zeros((), device=rows.device)
    for t in range(1, last + 1):
        labels = every.expand(len(left), -1)
        step = next(network.steps(encoding, labels, 1))
        kept = torch.ones_like(left, dtype=torch.bool)
        if t >= first:
            total = total + network.scores(step, labels)
            best = (total / (t - first + 1)).topk(2, dim=1)
            kept = best.values[:, 0] - best.values[:, 1] <= margin if t < last else ~kept
            answers[left[~kept]] = best.indices[~kept, 0]
            spent[left[~kept]] = t - first + 1
            left, total = left[kept], total[kept]
        if not len(left):
            break
        encoding = after(network, encoding, step, kept)
    return answers, spent


def after(network: Recurrent, encoding: Encoding, step: Step, kept: Tensor) -> Encoding:
    """What a further iteration starts from, for the images that are kept `(batch,)`: the states that `step`
    left, in place of those of the bottom-up pass."""
    states, sent = {}, {}
    for level, activity in step.activities.items():
        before = encoding.step.activities[level]
        states[level], sent[str(level)] = network.damped(level, before[kept], activity[kept])
    drive = {level: total[kept] for level, total in encoding.drive.items()}
    return Encoding(encoding.input[kept], drive, Step(sent, states))

"""What a trained network is used for besides its label: to refuse what it is unsure of, and to stop early."""

from dataclasses import dataclass

import torch
from torch import Tensor

from ffrec.data.images import Images
from ffrec.evaluation.calibration import batches
from ffrec.evaluation.images import (
    averaged,
    choose,
    choose_together,
    label_goodness,
    places,
    predictions,
    scores_labels,
)
from ffrec.networks.network import Classifier
from ffrec.parallel.team import ALONE


@dataclass(frozen=True)
class Responses:
    """What a network says of some images, and their labels `(n,)`, all on the CPU."""

    labels: Tensor
    logits: Tensor
    """Of the one-pass softmax, `(n, classes)`."""
    history: Tensor | None
    """Goodness of every label at iterations 1 to the end of the evaluation window,
    `(iterations, n, classes)`; None for a network whose goodness scores no labels."""
    window: tuple[int, int]
    """First and last iteration whose goodness, averaged, scores a label."""

    @property
    def scores(self) -> Tensor:
        """A score of every class, `(n, classes)`, as `class_scores` has it."""
        return self.logits if self.history is None else averaged(self.history, self.window)

    def in_window(self, history: Tensor) -> Tensor:
        """The iterations of the evaluation window."""
        return history[self.window[0] - 1 : self.window[1]]


@torch.no_grad()
def responses(network: Classifier, images: Images, labels: Tensor) -> Responses:
    """What a network says of images, from one pass over them."""
    window = network.window if scores_labels(network) else (1, 1)
    logits, history = [], []
    for rows in batches(images, network.batch):
        encoding = network.encode(rows)
        logits.append(network.logits(encoding).float().cpu())
        if scores_labels(network):
            every = torch.arange(network.classes, device=rows.device).expand(len(rows), -1)
            history.append(label_goodness(network, encoding, every, window[1]).float().cpu())
    return Responses(labels.cpu(), torch.cat(logits), torch.cat(history, dim=1) if history else None, window)


def first_labels(logits: Tensor, scores: Tensor, count: int) -> Tensor:
    """The label `(n,)` of highest score among the `count` that the logits rank first; both `(n, classes)`.

    Source: Hinton 2022, table 1 (candidates of a softmax, for characters).
    """
    tried = logits.topk(count, dim=1).indices
    return tried.gather(1, scores.gather(1, tried).argmax(1, keepdim=True)).squeeze(1)


@torch.no_grad()
def best_of_first(network: Classifier, images: Images, count: int | None, together: bool = False) -> Tensor:
    """`first_labels` of images `(n,)`, of which no other label is tried, or the best of all labels; chosen by
    goodness, or by goodness and the softmax together (`choose_together`).

    Raises ValueError if goodness scores no labels, or not so many.
    """
    if together and not scores_labels(network):
        raise ValueError("together: no goodness scores labels, the softmax predicts alone: leave it out")
    most = network.classes if scores_labels(network) else 0
    if not scores_labels(network) or (count is not None and not 1 <= count <= most):
        wanted = f"1 to {most}" if most else "none, as no goodness scores labels"
        raise ValueError(f"candidates: expected {wanted}, found {count}")
    tried = predictions(network, images, count, network.window[1], places(ALONE, len(images), network.batch))
    return torch.cat(
        [
            choose_together(network, history, labels, logits)
            if together
            else choose(history, labels, network.window)
            for _, labels, history, logits in tried
        ]
    )


def leads(history: Tensor) -> tuple[Tensor, Tensor]:
    """The best label at each iteration and how far it is ahead, both `(iterations, n)`.

    With ḡₜ a label's mean goodness over iterations 1 to t of `history` `(iterations, n, classes)`, the lead
    is the highest ḡₜ less the second highest.
    """
    count = torch.arange(1, len(history) + 1, device=history.device, dtype=history.dtype)
    best = (history.cumsum(0) / count.view(-1, 1, 1)).topk(2, dim=2)
    return best.indices[..., 0], best.values[..., 0] - best.values[..., 1]


def early_exit(history: Tensor, margin: float) -> tuple[Tensor, Tensor]:
    """The label `(n,)` at the first iteration whose lead is above the margin, or at the last; and how many
    iterations `(n,)` that took, of `history` `(iterations, n, classes)`."""
    best, lead = leads(history)
    goes_on = (lead[:-1] <= margin).long().cumprod(0).sum(0)
    return best.gather(0, goes_on.unsqueeze(0)).squeeze(0), goes_on + 1


def risk_coverage(confidence: Tensor, wrong: Tensor) -> Tensor:
    """The share of errors among the k surest cases, for k = 1 to n: `(n,)`.

        risk(k) = (wrong cases among the k of highest confidence) / k

    Cases of one confidence share their errors evenly. Its mean over k is the area under the curve. Shapes:
    `(n,)` both. Source: El-Yaniv and Wiener 2010; Geifman, Uziel and El-Yaniv 2019 (the area).
    """
    sure, order = confidence.sort(descending=True)
    _, group, sizes = sure.unique_consecutive(return_inverse=True, return_counts=True)
    errors = wrong.double()[order]
    shared = errors.new_zeros(len(sizes)).index_add_(0, group, errors) / sizes
    risk: Tensor = shared[group].cumsum(0) / torch.arange(1, len(errors) + 1, device=errors.device)
    return risk


def refuse(confidence: Tensor, wrong: Tensor, threshold: float) -> tuple[float, float | None]:
    """The share of cases below a threshold of confidence, and the share of errors among the others, None if
    there are none; both of `(n,)`."""
    kept = confidence >= threshold
    count = int(kept.sum())
    return (len(kept) - count) / len(kept), int(wrong[kept].sum()) / count if count else None


def thresholds(values: Tensor, shares: tuple[float, ...]) -> list[float]:
    """The quantiles of values `(n,)`: each has that share of them below it."""
    found: list[float] = values.double().quantile(torch.tensor(shares, dtype=torch.float64)).tolist()
    return found

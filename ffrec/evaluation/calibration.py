"""How sure a network may be: scores of classes become probabilities by one temperature. For characters see
`ffrec.networks.text.pool`."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

import torch
from torch import Tensor

from ffrec.data.images import Images
from ffrec.evaluation.images import averaged, label_goodness, scores_labels
from ffrec.networks.network import Classifier

WIDEST = 1e6  # largest ratio of a temperature to the scores' spread, and of the spread to a temperature
HALVINGS = 80  # of that interval's logarithm: more than a float64 resolves

FittedOn = Literal["validation", "training", "nothing"]


@dataclass(frozen=True)
class Calibration:
    """The temperature T in p(class | x) = softmax(scores / T) of a network for images, or the exponents a in
    p(character) ∝ Πₖ pₖ(character)^aₖ of one for characters, and what they were fitted on.

    A temperature fitted on images that a network has learnt from makes it too sure of new ones.
    """

    temperature: float = 1.0
    fitted_on: FittedOn = "nothing"
    n: int = 0
    """Images, or characters, they were fitted on."""
    exponents: Mapping[str, float] = field(default_factory=dict, hash=False)
    """By the names of the predictors; none for images, and where one of them predicts alone."""


# The only two functions here that know what a network is made of.


def label_history(network: Classifier, rows: Tensor, iterations: int | None = None) -> Tensor:
    """Goodness of every label for rows of pixels `(batch, pixels)`: `(iterations, batch, classes)`.

    Raises ValueError for a network whose goodness scores no labels.
    """
    if not scores_labels(network):
        raise ValueError(
            "goodness: expected a network that scores labels by their goodness, found one that classifies by "
            "its softmax alone: use predict or predict_proba"
        )
    every = torch.arange(network.classes, device=rows.device).expand(len(rows), -1)
    return label_goodness(network, network.encode(rows), every, iterations or network.iterations)


def class_scores(network: Classifier, rows: Tensor) -> Tensor:
    """A score of every class for rows of pixels, `(batch, classes)`: the goodness of its label, averaged over
    the iterations of the evaluation window, or the softmax's logit where goodness scores no labels."""
    if not scores_labels(network):
        return network.logits(network.encode(rows))
    return averaged(label_history(network, rows, network.window[1]), network.window)


def batches(images: Images, size: int) -> Iterator[Tensor]:
    """All images as rows of pixels `(batch, pixels)`, so many at a time."""
    return (images.batch(slice(first, first + size)) for first in range(0, len(images), size))


def probabilities(scores: Tensor, temperature: float) -> Tensor:
    """softmax(scores / temperature) of scores `(n, classes)`, in float64."""
    return (scores.double() / temperature).softmax(1)


def fit_temperature(scores: Tensor, labels: Tensor) -> float:
    """The temperature T that makes the labels `(n,)` likeliest under softmax(scores / T), `(n, classes)`.

    With b = 1 / T, the mean negative log likelihood is convex in b, and its slope is

        mean over cases of Σₖ pₖ sₖ − Σₖ tₖ sₖ,    p = softmax(b s),
        t = (n · onehot(label) + 1 / classes) / (n + 1),

    whose zero is found by bisection. The share 1 / (n + 1) of the target t that all classes have alike counts
    as one more case, of unknown label: it keeps T above 0 where every label has the highest score. Scores
    that say nothing of the labels get the largest T allowed, 10⁶ times their spread. Source: Guo et al. 2017
    §4.2 (temperature scaling); Platt 1999 (the target).

    Raises ValueError for no cases, other shapes, scores that are not finite, or labels out of range.
    """
    if scores.ndim != 2 or labels.shape != scores.shape[:1] or not len(labels) or not scores.isfinite().all():
        raise ValueError(
            "fit_temperature: expected finite scores (n, classes) and n labels, n at least 1, found shapes "
            f"{tuple(scores.shape)} and {tuple(labels.shape)}: check both"
        )
    if labels.min() < 0 or labels.max() >= scores.shape[1]:
        raise ValueError(
            f"fit_temperature: expected labels 0 to {scores.shape[1] - 1}, found {int(labels.min())} to "
            f"{int(labels.max())}"
        )
    centred = scores.double() - scores.double().mean(1, keepdim=True)
    spread = centred.square().mean().sqrt()
    if spread == 0:
        return 1.0
    s, share = centred / spread, len(labels) / (len(labels) + 1)
    wanted = share * s.gather(1, labels.view(-1, 1)).mean()  # Σₖ sₖ / classes is 0
    low, high = torch.tensor([1 / WIDEST, WIDEST], dtype=s.dtype, device=s.device).log()
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        too_sure = ((middle.exp() * s).softmax(1) * s).sum(1).mean() > wanted
        low, high = torch.where(too_sure, low, middle), torch.where(too_sure, middle, high)
    return float(spread / high.exp())


class Bin(NamedTuple):
    """Cases of about one confidence: how many, how sure on average, and the share of them that is right."""

    cases: int
    confidence: float
    right: float


def reliability(proba: Tensor, labels: Tensor, bins: int = 15) -> list[Bin]:
    """The bins of confidence that hold a case, the least sure first.

    A case's confidence is its largest probability; its answer is right if that one is its label's. Bins have
    equal width in (0, 1] and hold their upper edge. Shapes: `(n, classes)` and `(n,)`. Source: Guo et al.
    2017, figure 1. Raises ValueError for no cases or other shapes.
    """
    if proba.ndim != 2 or labels.shape != proba.shape[:1] or not len(labels) or bins < 1:
        raise ValueError(
            "reliability: expected probabilities (n, classes), n labels and at least 1 bin, "
            f"found shapes {tuple(proba.shape)} and {tuple(labels.shape)}, {bins} bins"
        )
    confidence, answer = proba.double().max(1)
    values = torch.stack([torch.ones_like(confidence), confidence, (answer == labels).double()], dim=1)
    place = (confidence * bins).ceil().long().clamp(1, bins) - 1
    sums = values.new_zeros(bins, 3).index_add_(0, place, values).tolist()
    return [Bin(int(count), sure / count, right / count) for count, sure, right in sums if count]


def expected_calibration_error(proba: Tensor, labels: Tensor, bins: int = 15) -> float:
    """Σ over the bins of `reliability` of (cases in it / n) · |share right − mean confidence|: 0 if the
    network is as right as sure. Source: Guo et al. 2017, equation 3."""
    found = reliability(proba, labels, bins)
    return sum(b.cases * abs(b.right - b.confidence) for b in found) / len(labels)


@torch.no_grad()
def calibrate(
    network: Classifier, images: Images, labels: Tensor, fitted_on: FittedOn = "validation"
) -> Calibration:
    """The temperature for a trained network, fitted on images and their labels `(n,)`, at least one; no fit
    for a network whose scores are not finite."""
    found = [class_scores(network, rows) for rows in batches(images, network.batch)]
    scores = torch.cat(found).cpu()  # mps has no float64
    if not scores.isfinite().all():
        return Calibration()
    return Calibration(fit_temperature(scores, labels.cpu()), fitted_on, len(labels))

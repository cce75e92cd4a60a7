"""How good a trained network is: labels predicted by goodness over iterations, and by the one-pass
softmax."""

import time
from collections.abc import Iterable, Iterator
from typing import TypedDict, TypeGuard

import torch
from torch import Tensor

from ffrec.data.draws import Draws
from ffrec.data.images import Images
from ffrec.negatives.hybrids import hybrid, masks
from ffrec.networks.network import Classifier, Encoding, Network
from ffrec.parallel.team import ALONE, Team

BATCH = 500  # images evaluated together; bounds memory and changes no result


class ImageErrors(TypedDict, total=False):
    """What an evaluation on images finds; what a network without scored labels lacks is missing."""

    error_goodness: float
    error_softmax: float
    error_together: float
    error_by_iteration: list[float]
    error_by_network: list[float]
    confusion: list[list[int]]
    candidates: int
    images: int
    seconds: float


def scores_labels(network: Classifier) -> TypeGuard[Network]:
    """Whether a network's goodness scores labels; the others predict by their softmax alone."""
    return isinstance(network, Network) and bool(network.scored)


def label_goodness(network: Network, encoding: Encoding, labels: Tensor, iterations: int) -> Tensor:
    """Goodness of each label `(batch, candidates)` at each iteration, summed over the layers that score
    labels.

    Returns `(iterations, batch, candidates)`. A label's goodness does not depend on the others tried.
    """
    steps = network.steps(encoding, labels, iterations)
    return torch.stack([network.scores(step, labels) for step in steps])


def choose(history: Tensor, labels: Tensor, window: tuple[int, int]) -> Tensor:
    """The label `(batch,)` with the highest goodness, averaged over iterations first to last."""
    return labels.gather(1, averaged(history, window).argmax(1, keepdim=True)).squeeze(1)


def averaged(history: Tensor, window: tuple[int, int]) -> Tensor:
    """Goodness `(batch, candidates)` averaged over iterations first to last."""
    return history[window[0] - 1 : window[1]].mean(0)


def choose_together(network: Network, history: Tensor, labels: Tensor, logits: Tensor) -> Tensor:
    """The label `(batch,)` that goodness and the softmax find likeliest together, of those tried: that with
    the largest κ g + log q, where g is the goodness averaged over the window, κ the mean sharpness of the
    layers that score labels, and q the softmax's probability, `logits` `(batch, classes)`.

    With κ g for log p that is the product of both predictions. Scores of classes have their κ already.
    """
    config = network.config
    sharpness = [1.0 if config.by_class else config.sharpnesses[level - 1] for level in network.scored]
    score = averaged(history, network.window) * (sum(sharpness) / len(sharpness)) + logits.gather(1, labels)
    return labels.gather(1, score.argmax(1, keepdim=True)).squeeze(1)


def predictions(
    network: Network, images: Images, candidates: int | None, iterations: int, places: Iterable[slice]
) -> Iterator[tuple[slice, Tensor, Tensor, Tensor]]:
    """For each batch: its place, the labels tried, their goodness by iteration, the softmax's logits.

    With `candidates` k only the k labels that the softmax ranks first are tried (Hinton 2022, table 1).
    """
    for place in places:
        encoding = network.encode(images.batch(place))
        logits = network.logits(encoding)
        labels = logits.topk(candidates or network.classes, dim=1).indices
        yield place, labels, label_goodness(network, encoding, labels, iterations), logits


def evaluate_images(
    network: Classifier,
    images: Images,
    truth: Tensor,
    candidates: int | None = None,
    all_iterations: bool = True,
    team: Team = ALONE,
) -> ImageErrors:
    """Errors in percent by goodness, by one-pass softmax and by both together (`choose_together`), per
    iteration, and a confusion matrix.

    `confusion[i][j]` counts images of class i that goodness calls j; `error_by_iteration[t − 1]` is the error
    by the goodness of iteration t alone. Without `all_iterations` the network stops at the end of the
    evaluation window. A network that scores no labels is evaluated by its softmax alone. Each process of a
    team computes its part of the images.
    """
    truth, start = truth.to(images.images.device), time.perf_counter()
    if not scores_labels(network):
        return evaluate_softmax(network, images, truth, team)
    if not 1 <= (candidates or 1) <= network.classes or not len(truth):
        raise ValueError(
            f"expected images, and 1 to {network.classes} candidates, found {len(truth)} and {candidates}"
        )
    predicted, by_softmax, by_both = (torch.zeros_like(truth) for _ in range(3))
    window = network.window
    iterations = network.iterations if all_iterations else window[1]
    wrong = torch.zeros(iterations, device=truth.device)
    with torch.no_grad():
        for place, labels, history, logits in predictions(
            network, images, candidates, iterations, places(team, len(truth), network.batch)
        ):
            by_softmax[place], predicted[place] = logits.argmax(1), choose(history, labels, window)
            by_both[place] = choose_together(network, history, labels, logits)
            for t, single in enumerate(history, start=1):
                wrong[t - 1] += (choose(single[None], labels, (1, 1)) != truth[place]).sum()
    for found in (predicted, by_softmax, by_both, wrong):
        team.sum_(found)
    percent = 100 / len(truth)
    return {
        "error_goodness": percent * int((predicted != truth).sum()),
        "error_softmax": percent * int((by_softmax != truth).sum()),
        "error_together": percent * int((by_both != truth).sum()),
        "error_by_iteration": [percent * count for count in wrong.tolist()],
        "confusion": confusion(truth, predicted, network.classes),
        "candidates": candidates or network.classes,
        "images": len(truth),
        "seconds": time.perf_counter() - start,
    }


def places(team: Team, count: int, size: int) -> Iterator[slice]:
    """This process's part of `count` images, a batch at a time."""
    own = team.part(count)
    for start in range(own.start, own.stop, size):
        yield slice(start, min(start + size, own.stop))


def evaluate_softmax(network: Classifier, images: Images, truth: Tensor, team: Team = ALONE) -> ImageErrors:
    """Error in percent by the softmax, and its confusion matrix; where networks are joined, also the error of
    each by itself."""
    start, found = time.perf_counter(), []
    with torch.no_grad():
        for place in places(team, len(truth), network.batch):
            encoding = network.encode(images.batch(place))
            every = (network.logits(encoding), *network.logits_apart(encoding))
            found.append((place, torch.stack([logits.argmax(1) for logits in every])))
    predicted = truth.new_zeros(len(found[0][1]) if found else 1, len(truth))
    for place, labels in found:
        predicted[:, place] = labels
    team.sum_(predicted)
    together, *apart = (100 / len(truth) * (predicted != truth).sum(1)).tolist()
    errors: ImageErrors = {"error_softmax": together}
    if apart:
        errors["error_by_network"] = apart
    return errors | {
        "confusion": confusion(truth, predicted[0], network.classes),
        "images": len(truth),
        "seconds": time.perf_counter() - start,
    }


def confusion(truth: Tensor, predicted: Tensor, classes: int) -> list[list[int]]:
    """`confusion[i][j]` counts cases of class i that were predicted to be j."""
    counts: list[list[int]] = (
        torch.bincount(truth * classes + predicted, minlength=classes**2).view(classes, -1).tolist()
    )
    return counts


def examples(
    network: Network, images: Images, truth: Tensor, negatives: Tensor, count: int = 8
) -> dict[str, Tensor]:
    """What pictures of a network need, computed on the first of the given images.

    `goodness` `(iterations, count, classes)` of every label for the images at `index`: the first ones that
    goodness gets right and, half of all if there are as many, that it gets wrong. `positive` and `negative`
    `(layers, cases)`: goodness at the end of the window, of true labels and of the given wrong ones.
    """
    with torch.no_grad():
        place = slice(0, BATCH)
        encoding, truth = network.encode(images.batch(place)), truth[place].to(images.images.device)
        every = torch.arange(network.classes, device=truth.device).expand(len(truth), -1)
        history = label_goodness(network, encoding, every, network.iterations)
        right = choose(history, every, network.window) == truth
        mistakes = (~right).nonzero().flatten()[: count // 2]
        index = torch.cat([right.nonzero().flatten()[: count - len(mistakes)], mistakes])
        pair = torch.stack([truth, negatives[place].to(truth.device)], dim=1)
        *_, last = network.steps(encoding, pair, network.window[1])
        goodness = torch.stack([network.label_score(level, last, pair) for level in network.levels])
    found = {"index": index, "truth": truth[index], "goodness": history[:, index]}
    found |= {"positive": goodness[..., 0], "negative": goodness[..., 1]}
    return {name: value.cpu().contiguous() for name, value in found.items()}


def hybrid_examples(network: Network, images: Images, draws: Draws, count: int = 8) -> dict[str, Tensor]:
    """What pictures of a network that learns from hybrid images need, on the first of the given images.

    `images`, `others`, `masks` and `hybrids` `(count, height, width)`: parents, mask and child of some.
    `positive` and `negative` `(layers, cases)`: goodness of images and of hybrids.
    """
    one = images.images[:BATCH]
    other, mask = one.roll(1, 0), masks(len(one), one.shape[1], one.shape[2], draws)
    child = hybrid(one, other, mask)
    with torch.no_grad():
        encoding = network.encode(torch.stack([images.rows(one), images.rows(child)], dim=1))
        activities = encoding.step.activities.items()
        goodness = torch.stack([network.layer(level).goodness_of(h) for level, h in activities])
    found = {"images": one[:count], "others": other[:count], "hybrids": child[:count]}
    found["masks"] = mask[:count].to(torch.uint8)
    found |= {"positive": goodness[..., 0], "negative": goodness[..., 1]}
    return {name: value.cpu().contiguous() for name, value in found.items()}

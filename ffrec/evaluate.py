"""How good a trained network is: labels judged by goodness over iterations, and by the one-pass softmax."""

import time
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor

from ffrec.images import Images

BATCH = 500  # images evaluated together; bounds memory and changes no result


def label_goodness(network: Any, seen: Any, labels: Tensor, iterations: int) -> Tensor:
    """Goodness of each label `(batch, candidates)` at each iteration, summed over the hidden layers.

    Returns `(iterations, batch, candidates)`. A label's goodness does not depend on the others tried.
    """
    history = []
    for iteration in network.iterate(seen, labels, iterations):
        layers = [network.goodness.value(h).expand(labels.shape) for h in iteration.activities.values()]
        history.append(torch.stack(layers).sum(0))
    return torch.stack(history)


def choose(history: Tensor, labels: Tensor, window: tuple[int, int]) -> Tensor:
    """The label `(batch,)` whose goodness, averaged over iterations first to last, is highest."""
    average = history[window[0] - 1 : window[1]].mean(0)
    return labels.gather(1, average.argmax(1, keepdim=True)).squeeze(1)


def predictions(
    network: Any, images: Images, candidates: int | None, iterations: int
) -> Iterator[tuple[slice, Tensor, Tensor, Tensor]]:
    """For each batch: its place, the labels tried, their goodness by iteration, the softmax's label.

    With `candidates` k only the k labels that the softmax ranks first are tried (Hinton 2022, table 1).
    """
    for start in range(0, len(images), BATCH):
        place = slice(start, start + BATCH)
        seen = network.look(images.batch(place))
        logits = network.classify(seen)[1]
        labels = logits.topk(candidates or network.classes, dim=1).indices
        yield place, labels, label_goodness(network, seen, labels, iterations), logits.argmax(1)


def evaluate_images(
    network: Any, images: Images, truth: Tensor, candidates: int | None = None, all_iterations: bool = True
) -> dict[str, Any]:
    """Errors in percent by goodness and by one-pass softmax, per iteration, and a confusion matrix.

    `confusion[i][j]` counts images of class i that goodness calls j; `error_by_iteration[t − 1]` judges by
    iteration t alone. Without `all_iterations` the network stops at the end of the evaluation window.
    """
    window = network.config.window
    iterations = max(network.config.iterations, window[1]) if all_iterations else window[1]
    truth = truth.to(images.images.device)
    wrong = torch.zeros(iterations, device=truth.device)
    judged, by_softmax = torch.empty_like(truth), torch.empty_like(truth)
    start = time.perf_counter()
    with torch.no_grad():
        for place, labels, history, softmax in predictions(network, images, candidates, iterations):
            by_softmax[place], judged[place] = softmax, choose(history, labels, window)
            for t, single in enumerate(history, start=1):
                wrong[t - 1] += (choose(single[None], labels, (1, 1)) != truth[place]).sum()
    confusion = torch.bincount(truth * network.classes + judged, minlength=network.classes**2)
    percent = 100 / len(truth)
    return {
        "error_goodness": percent * int((judged != truth).sum()),
        "error_softmax": percent * int((by_softmax != truth).sum()),
        "error_by_iteration": [percent * count for count in wrong.tolist()],
        "confusion": confusion.view(network.classes, -1).tolist(),
        "candidates": candidates or network.classes,
        "images": len(truth),
        "seconds": time.perf_counter() - start,
    }


def examples(
    network: Any, images: Images, truth: Tensor, negatives: Tensor, count: int = 8
) -> dict[str, Tensor]:
    """What pictures of a network need, computed on the first of the given images.

    `goodness` `(iterations, count, classes)` of every label for the images at `index`: the first ones, half
    of them, if there are as many, images that goodness gets wrong. `positive` and `negative`
    `(layers, cases)`: goodness at the end of the window, of true labels and of the given wrong ones.
    """
    iterations = max(network.config.iterations, network.config.window[1])
    with torch.no_grad():
        place = slice(0, BATCH)
        seen, truth = network.look(images.batch(place)), truth[place].to(images.images.device)
        every = torch.arange(network.classes, device=truth.device).expand(len(truth), -1)
        history = label_goodness(network, seen, every, iterations)
        wrong = (choose(history, every, network.config.window) != truth).nonzero().flatten()[: count // 2]
        index = torch.cat([torch.arange(count - len(wrong), device=truth.device), wrong])
        pair = torch.stack([truth, negatives[place].to(truth.device)], dim=1)
        *_, last = network.iterate(seen, pair, network.config.window[1])
        goodness = torch.stack(
            [network.goodness.value(h).expand(pair.shape) for h in last.activities.values()]
        )
    found = {"index": index, "truth": truth[index], "goodness": history[:, index]}
    found |= {"positive": goodness[..., 0], "negative": goodness[..., 1]}
    return {name: value.cpu().contiguous() for name, value in found.items()}

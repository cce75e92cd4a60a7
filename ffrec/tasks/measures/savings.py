"""What a network saves by trying fewer labels, and by stopping once a label is ahead."""

import math
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import Tensor

from ffrec.evaluation.decisions import Responses, early_exit, first_labels, leads, thresholds
from ffrec.evaluation.images import label_goodness
from ffrec.networks.network import Network
from ffrec.networks.recurrent import Recurrent
from ffrec.networks.stopping import stop_early

LABELS = (1, 2, 3, 5, 10)  # that are tried
WAITING = (0.0, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5)  # shares of images that go on after the window's first
TURNS = 3  # of the work that is timed: other work only ever adds to it


def percent_wrong(answers: Tensor, labels: Tensor) -> float:
    """The error of answers `(n,)`, in percent."""
    return 100 / len(labels) * int((answers != labels).sum())


def candidates(network: Network, rows: Tensor, test: Responses) -> list[dict[str, Any]]:
    """The error where only the first labels of the softmax are tried, and its cost for an image: how many
    labels times iterations, and milliseconds measured on rows `(batch, pixels)` of other images."""
    last, found = test.window[1], []
    for count in [count for count in LABELS if count <= network.classes]:
        answers = first_labels(test.logits, test.scores, count)
        found.append(
            {
                "labels": count,
                "error": percent_wrong(answers, test.labels),
                "label_iterations": count * last if count > 1 else 0,
                "milliseconds": milliseconds(partial(answer, network, rows, count, last), len(rows)),
            }
        )
    return found


@torch.no_grad()
def answer(network: Network, rows: Tensor, count: int, iterations: int) -> tuple[Tensor, ...]:
    """The softmax's first labels and their goodness by iteration; one label takes no iteration."""
    encoding = network.encode(rows)
    labels = network.logits(encoding).topk(count, dim=1).indices
    return (labels, label_goodness(network, encoding, labels, iterations)) if count > 1 else (labels,)


def milliseconds(work: Callable[[], tuple[Tensor, ...]], images: int) -> float:
    """What an image takes, at best."""
    taken = []
    for _ in range(TURNS):
        start = time.perf_counter()
        for part in work():
            part.cpu()  # waits for the device
        taken.append(time.perf_counter() - start)
    return 1000 * min(taken) / images


def exits(network: Recurrent, rows: Tensor, known: Responses, test: Responses) -> list[dict[str, Any]]:
    """The error against the mean number of iterations where an image stops as soon as its best label leads
    by a margin: one for every share of known images that goes on after the window's first iteration. The
    last one, of no margin, never stops early. Milliseconds are measured where rows of other images
    really stop."""
    settling, history = (r.in_window(r.history) for r in (known, test) if r.history is not None)
    margins: list[float] = thresholds(leads(settling)[1][0], WAITING)
    found = []
    for share, margin in [*zip(WAITING, margins, strict=True), (1.0, math.inf)]:
        level = margin if share else -math.inf
        answers, spent = early_exit(history, level)
        found.append(
            {
                "share": 100 * share,
                "margin": level,
                "error": percent_wrong(answers, test.labels),
                "iterations": test.window[0] - 1 + float(spent.double().mean()),
                "milliseconds": milliseconds(partial(stop_early, network, rows, level), len(rows)),
            }
        )
    return found

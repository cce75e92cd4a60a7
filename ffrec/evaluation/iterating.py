"""Errors against iterations, also beyond those that a network was trained with."""

from typing import TypedDict

import torch
from torch import Tensor

from ffrec.data.images import Images
from ffrec.evaluation.images import choose, evaluate_softmax, places, predictions, scores_labels
from ffrec.networks.network import Classifier
from ffrec.parallel.team import ALONE


class Errors(TypedDict, total=False):
    """Errors in percent; a network without scored labels has that of its softmax alone."""

    error_softmax: float
    error_goodness: float
    error_by_iteration: list[float]
    """By the goodness of iteration t alone, for t from 1 on."""
    error_so_far: list[float]
    """By the mean goodness from the evaluation window's first iteration to t, for t from that one on."""


@torch.no_grad()
def errors_by_iteration(network: Classifier, images: Images, truth: Tensor, iterations: int) -> Errors:
    """The errors of a network that takes so many iterations, at least as many as its window has; a network
    without iterations takes one."""
    truth = truth.to(images.images.device)
    if not scores_labels(network):
        return {"error_softmax": evaluate_softmax(network, images, truth)["error_softmax"]}
    first, last = network.window
    if iterations < last:
        raise ValueError(f"iterations: expected at least {last}, the window's last, found {iterations}")
    windows = [(t, t) for t in range(1, iterations + 1)] + [(first, t) for t in range(first, iterations + 1)]
    wrong = torch.zeros(len(windows) + 1, device=truth.device)
    for place, labels, history, logits in predictions(
        network, images, None, iterations, places(ALONE, len(truth), network.batch)
    ):
        answers = [*(choose(history, labels, window) for window in windows), logits.argmax(1)]
        wrong += (torch.stack(answers) != truth[place]).sum(1)
    *found, by_softmax = (wrong * (100 / len(truth))).tolist()
    return {
        "error_softmax": by_softmax,
        "error_goodness": found[windows.index((first, last), iterations)],
        "error_by_iteration": found[:iterations],
        "error_so_far": found[iterations:],
    }

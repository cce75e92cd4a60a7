"""How sure a trained network may be, and what it saves or refuses by that: the numbers of `ffrec
confidence`."""

import math
import time
from typing import Any, Literal

import torch
from torch import Tensor

from ffrec.data.images import Images
from ffrec.evaluation.calibration import (
    Calibration,
    expected_calibration_error,
    fit_temperature,
    probabilities,
    reliability,
)
from ffrec.evaluation.decisions import (
    Responses,
    early_exit,
    first_labels,
    leads,
    refuse,
    responses,
    risk_coverage,
    thresholds,
)
from ffrec.evaluation.images import BATCH, label_goodness, scores_labels
from ffrec.networks.network import Network
from ffrec.tasks.images import TrainedImages
from ffrec.tasks.recorded import describe, stored_calibration

LABELS = (1, 2, 3, 5, 10)  # that are tried
WAITING = (0.0, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5)  # shares of images that go on after the window's first
REFUSED = (0.0, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1)  # shares of images
CURVE = 100  # steps of the risk–coverage curve that is kept
WIDEST = 0.2  # share refused at its end
TURNS = 3  # of the work that is timed: other work only ever adds to it

Part = Literal["validation", "training"]


def measure(trained: TrainedImages) -> dict[str, Any]:
    """What `confidence.json` holds of a trained run; the test set is read in one pass.

    Margins and thresholds come from validation images, or, where a run has learnt from those too, from the
    last tenth of its training images; so does a temperature that the folder does not hold.
    """
    network, device = trained.network, trained.device
    part, known = chosen_on(trained)
    test = answers_to(trained, trained.test.images, trained.test.labels)
    calibration = stored_calibration(trained.folder) or fitted(known, part)
    softmax = fit_temperature(known.logits, known.labels)
    found = describe(trained.folder, device) | {
        "images": len(test.labels),
        "classes": len(trained.classes),
        "window": list(test.window),
        "chosen_on": {"part": part, "images": len(known.labels)},
        "probabilities": {
            "predict_proba": calibrated(test.scores, test.labels, calibration),
            "softmax": calibrated(test.logits, test.labels, Calibration()),
            "softmax at a temperature": calibrated(
                test.logits, test.labels, Calibration(softmax, part, len(known.labels))
            ),
        },
        "rejection": rejection(known, test, calibration.temperature),
    }
    if scores_labels(network):
        images = Images(trained.test.images[:BATCH], device, trained.recipe.training.permute)
        found["candidates"] = candidates(network, images.batch(slice(None)), test)
    if test.window[0] < test.window[1]:
        found["early_exit"] = exits(known, test)
    return found


def chosen_on(trained: TrainedImages) -> tuple[Part, Responses]:
    """What margins, thresholds and missing temperatures are chosen on, and what the network says of it."""
    train, validation = trained.corpus.train, trained.corpus.validation
    if validation is not None:
        return "validation", answers_to(trained, validation.images, validation.labels)
    last = slice(-math.ceil(len(train.labels) / 10), None)
    return "training", answers_to(trained, train.images[last], train.labels[last])


def answers_to(trained: TrainedImages, images: Tensor, labels: Tensor) -> Responses:
    """What the network says of images `(n, height, width[, colours])`."""
    made = Images(images, trained.device, trained.recipe.training.permute)
    return responses(trained.network, made, labels)


def fitted(known: Responses, part: Part) -> Calibration:
    """The temperature of `predict_proba` for a folder that holds none."""
    return Calibration(fit_temperature(known.scores, known.labels), part, len(known.labels))


def percent_wrong(answers: Tensor, labels: Tensor) -> float:
    """The error of answers `(n,)`, in percent."""
    return 100 / len(labels) * int((answers != labels).sum())


def calibrated(scores: Tensor, labels: Tensor, how: Calibration) -> dict[str, Any]:
    """Errors and areas in percent of softmax(scores / T), and its bins of confidence."""
    proba = probabilities(scores, how.temperature)
    confidence, answers = proba.max(1)
    wrong = answers != labels
    return {
        "temperature": how.temperature,
        "fitted_on": how.fitted_on,
        "error": percent_wrong(answers, labels),
        "expected_calibration_error": 100 * expected_calibration_error(proba, labels),
        "area": 100 * float(risk_coverage(confidence, wrong).mean()),
        "best_area": 100 * float(risk_coverage((~wrong).double(), wrong).mean()),
        "bins": [b._asdict() for b in reliability(proba, labels)],
    }


def rejection(known: Responses, test: Responses, temperature: float) -> dict[str, Any]:
    """Errors in percent on the images that are kept, and shares in percent: at thresholds chosen on known
    images, and along the curve of the test images in the order of their confidence."""
    sure = probabilities(known.scores, temperature).amax(1)
    confidence, answers = probabilities(test.scores, temperature).max(1)
    wrong, n = answers != test.labels, len(answers)
    curve = risk_coverage(confidence, wrong)
    steps = [WIDEST * step / CURVE for step in range(CURVE + 1)]
    at = []
    for share, threshold in zip(REFUSED, thresholds(sure, REFUSED), strict=True):
        level = threshold if share else 0.0
        refused, error = refuse(confidence, wrong, level)
        kept = None if error is None else 100 * error
        by_rank = 100 * float(curve[n - round(share * n) - 1])
        at.append(
            {
                "share": 100 * share,
                "threshold": level,
                "refused": 100 * refused,
                "error": kept,
                "by_rank": by_rank,
            }
        )
    errors = [100 * float(curve[n - round(share * n) - 1]) for share in steps]
    return {"at": at, "curve": {"refused": [100 * share for share in steps], "error": errors}}


def candidates(network: Network, rows: Tensor, test: Responses) -> list[dict[str, Any]]:
    """The error where only the first labels of the softmax are tried, and its cost for an image: how many
    labels times iterations, and milliseconds measured on one batch of rows `(batch, pixels)`."""
    last, found = test.window[1], []
    for count in [count for count in LABELS if count <= network.classes]:
        answers = first_labels(test.logits, test.scores, count)
        found.append(
            {
                "labels": count,
                "error": percent_wrong(answers, test.labels),
                "label_iterations": count * last if count > 1 else 0,
                "milliseconds": 1000 * seconds(network, rows, count, last) / len(rows),
            }
        )
    return found


@torch.no_grad()
def seconds(network: Network, rows: Tensor, count: int, iterations: int) -> float:
    """What rows take with so many labels, at best; one label is the softmax's, and takes no iteration."""
    taken = []
    for _ in range(TURNS):
        start = time.perf_counter()
        encoding = network.encode(rows)
        labels = network.logits(encoding).topk(count, dim=1).indices
        if count > 1:
            label_goodness(network, encoding, labels, iterations).cpu()
        labels.cpu()  # waits for the device
        taken.append(time.perf_counter() - start)
    return min(taken)


def exits(known: Responses, test: Responses) -> list[dict[str, Any]]:
    """The error against the mean number of iterations where an image stops as soon as its best label leads
    by a margin: one for every share of known images that goes on after the window's first iteration. The
    last one, of no margin, never stops early."""
    settling, history = (r.in_window(r.history) for r in (known, test) if r.history is not None)
    margins: list[float] = thresholds(leads(settling)[1][0], WAITING)
    found = []
    for share, margin in [*zip(WAITING, margins, strict=True), (1.0, math.inf)]:
        answers, spent = early_exit(history, margin if share else -math.inf)
        found.append(
            {
                "share": 100 * share,
                "margin": margin if share else 0.0,
                "error": percent_wrong(answers, test.labels),
                "iterations": test.window[0] - 1 + float(spent.double().mean()),
            }
        )
    return found

"""How sure a trained network may be, and what it saves or refuses by that: the numbers of `ffrec
confidence`."""

import math
from typing import Any, Literal

from torch import Tensor

from ffrec.data.images import Images
from ffrec.evaluation.calibration import (
    Calibration,
    expected_calibration_error,
    fit_temperature,
    probabilities,
    reliability,
)
from ffrec.evaluation.decisions import Responses, refuse, responses, risk_coverage, thresholds
from ffrec.evaluation.images import BATCH, scores_labels
from ffrec.networks.recurrent import Recurrent
from ffrec.tasks.images import TrainedImages
from ffrec.tasks.measures.savings import candidates, exits, percent_wrong
from ffrec.tasks.recorded import describe, stored_calibration

REFUSED = (0.0, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1)  # shares of images
CURVE = 100  # steps of the risk–coverage curve that is kept
WIDEST = 0.2  # share refused at its end

Part = Literal["validation", "training"]


def measure(trained: TrainedImages) -> dict[str, Any]:
    """What `confidence.json` holds of a trained run; the test set is read in one pass.

    Margins and thresholds come from validation images, or, where a run has learnt from those too, from the
    last tenth of its training images; so does a temperature that the folder does not hold.
    """
    network, device = trained.network, trained.device
    part, images, labels = chosen_on(trained)
    known = answers_to(trained, images, labels)
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
        rows = Images(images[:BATCH], device, trained.recipe.training.permute).batch(slice(None))
        found["candidates"] = candidates(network, rows, test)
        if isinstance(network, Recurrent) and test.window[0] < test.window[1]:
            found["early_exit"] = exits(network, rows, known, test)
    return found


def chosen_on(trained: TrainedImages) -> tuple[Part, Tensor, Tensor]:
    """Images and labels that margins, thresholds and missing temperatures are chosen on."""
    train, validation = trained.corpus.train, trained.corpus.validation
    if validation is not None:
        return "validation", validation.images, validation.labels
    last = slice(-math.ceil(len(train.labels) / 10), None)
    return "training", train.images[last], train.labels[last]


def answers_to(trained: TrainedImages, images: Tensor, labels: Tensor) -> Responses:
    """What the network says of images `(n, height, width[, colours])`."""
    made = Images(images, trained.device, trained.recipe.training.permute)
    return responses(trained.network, made, labels)


def fitted(known: Responses, part: Part) -> Calibration:
    """The temperature of `predict_proba` for a folder that holds none."""
    return Calibration(fit_temperature(known.scores, known.labels), part, len(known.labels))


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

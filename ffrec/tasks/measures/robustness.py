"""How a trained network does on corrupted images: the numbers of `ffrec robustness`."""

from collections.abc import Callable
from typing import Any

import torch

from ffrec.config import ConfigError
from ffrec.data.images import Images
from ffrec.evaluation.corruptions import CORRUPTIONS, corrupted
from ffrec.evaluation.images import scores_labels
from ffrec.evaluation.iterating import Errors, errors_by_iteration
from ffrec.tasks.images import TrainedImages
from ffrec.tasks.recorded import describe
from ffrec.training.arithmetic import computing, pick_precision

CLEAN = "clean"


def measure(
    trained: TrainedImages,
    severity: int,
    iterations: int,
    precision: str,
    say: Callable[[str], None],
) -> dict[str, Any]:
    """What `robustness.json` holds of a trained run: errors in percent on clean and on corrupted test images.

    A network that iterates takes `iterations`, and at least those of its evaluation window. `say` is told
    what comes next. Raises ConfigError for fewer iterations.
    """
    network, device, test = trained.network, trained.device, trained.test
    steps = network.iterations if scores_labels(network) else 1
    if steps > 1:
        if iterations < network.window[1]:
            raise ConfigError(
                f"--iterations: expected at least {network.window[1]}, which {trained.folder.path} is "
                f"evaluated with, found {iterations}: give more"
            )
        steps = iterations
    chosen = pick_precision(precision, device)
    brightest, errors = float(trained.corpus.train.images.max()), {}
    for name in (CLEAN, *CORRUPTIONS):
        say(f"{trained.folder.path}: {name} …")
        pixels = test.images.to(device)
        if name != CLEAN:
            pixels = corrupted(pixels, name, severity, brightest)
        images = Images(pixels, device, trained.recipe.training.permute)
        with torch.no_grad(), computing(network, chosen, device):
            errors[name] = errors_by_iteration(network, images, test.labels, steps)
    return describe(trained.folder, device) | {
        "images": len(test.labels),
        "severity": severity,
        "precision": chosen,
        "window": list(network.window) if steps > 1 else [1, 1],
        "errors": errors | {"mean": mean([errors[name] for name in CORRUPTIONS])},
    }


def mean(errors: list[Errors]) -> dict[str, Any]:
    """The mean of errors over several sets of images."""
    found: dict[str, Any] = {}
    for key in errors[0]:
        values = torch.tensor([each[key] for each in errors], dtype=torch.float64)  # type: ignore[literal-required]
        found[key] = values.mean(0).tolist()
    return found

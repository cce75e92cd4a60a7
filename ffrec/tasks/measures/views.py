"""What a trained network gains by looking at an image in several ways: the numbers of `ffrec views`."""

import time
from typing import Any

from ffrec.data.images import Images
from ffrec.evaluation.images import scores_labels
from ffrec.evaluation.views import likeliest, seen_in_views
from ffrec.tasks.images import TrainedImages
from ffrec.tasks.measures.savings import percent_wrong
from ffrec.tasks.recorded import describe


def measure(trained: TrainedImages, pixels: int) -> dict[str, Any]:
    """What `views.json` holds of a trained run: errors in percent on validation images, where the run has not
    learnt from them, and on test images, for more and more views; mirror images count where it has learnt
    from such."""
    mirror = trained.recipe.training.mirror
    found = describe(trained.folder, trained.device) | {"pixels": pixels, "mirror": mirror}
    parts = {"validation": trained.corpus.validation, "test": trained.test}
    for name, part in parts.items():
        if part is None:
            continue
        images = Images(part.images, trained.device, trained.recipe.training.permute)
        found[name], start = [], time.perf_counter()
        for views, seen in seen_in_views(trained.network, images, part.labels, pixels, mirror):
            errors = {"views": views, "error_softmax": percent_wrong(seen.logits.argmax(1), seen.labels)}
            if scores_labels(trained.network):
                errors["error_goodness"] = percent_wrong(seen.scores.argmax(1), seen.labels)
                errors["error_together"] = percent_wrong(likeliest(trained.network, seen), seen.labels)
            milliseconds = 1000 * (time.perf_counter() - start) / len(seen.labels)
            found[name].append(errors | {"milliseconds": milliseconds})
    return found

"""How much each layer of a trained network contributes to its answers: the numbers of `ffrec layers`."""

from typing import Any

from ffrec.config import ConfigError
from ffrec.data.images import Images
from ffrec.evaluation.images import scores_labels
from ffrec.evaluation.layers import layer_scores
from ffrec.tasks.images import TrainedImages
from ffrec.tasks.measures.savings import percent_wrong
from ffrec.tasks.recorded import describe


def measure(trained: TrainedImages) -> dict[str, Any]:
    """What `layers.json` holds of a trained run: errors in percent of every layer alone, of the sum of the
    layers up to it, and of those that predict, on validation images, where the run has not learnt from them,
    and on test images.

    Raises ConfigError for a network whose goodness scores no labels.
    """
    network = trained.network
    if not scores_labels(network):
        raise ConfigError(
            f"{trained.folder.path}: expected layers whose goodness scores labels, found a network whose "
            "softmax predicts alone: `ffrec evaluate` measures it"
        )
    found = describe(trained.folder, trained.device) | {"predict": list(network.scored)}
    parts = {"validation": trained.corpus.validation, "test": trained.test}
    for name, part in parts.items():
        if part is None:
            continue
        images = Images(part.images, trained.device, trained.recipe.training.permute)
        scores, labels = layer_scores(network, images), part.labels.cpu()
        summed = scores[[level - 1 for level in network.scored]].sum(0)
        found[name] = {
            "alone": [percent_wrong(each.argmax(1), labels) for each in scores],
            "up_to": [percent_wrong(each.argmax(1), labels) for each in scores.cumsum(0)],
            "error_goodness": percent_wrong(summed.argmax(1), labels),
        }
    return found

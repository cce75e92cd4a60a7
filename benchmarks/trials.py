"""What the goodness of convolutional layers sees of a label, and what of its gradient is left.

    python benchmarks/trials.py measure NAME [NAME …]    (recipes, with new weights, or folders of runs)
    python benchmarks/trials.py show [--into docs/convolutions.md]

`measure` adds a line for each network to results/trials.jsonl. Of every layer, over validation images with
the true label and with another one, it takes the goodness; which share of the activities differ between the
two by more than a hundredth of their root mean square; how much the goodness differs, beside its standard
deviation over images; and how long the gradient of both together is, beside that of positive data alone, by
the logistic objective. `show` prints a table for each network.
"""

from collections.abc import Iterator
from pathlib import Path

import torch
from measuring import Line, command
from torch import Tensor

import ffrec
from cli.corpus import load
from cli.trained import open_run
from ffrec.data.images import Images
from ffrec.learning.objective import Logistic
from ffrec.learning.update import Step
from ffrec.networks.convolutional import Convolutional
from ffrec.networks.network import Encoding
from ffrec.reports.tables import table
from ffrec.tasks.images import TrainedImages
from ffrec.training.images import make_network

IMAGES = 200
HEAD = (
    "layer",
    "goodness",
    "p(positive)",
    "activities that the label changes, %",
    "change of goodness, % of its deviation over images",
    "gradient that is left, %",
)


def gradient(network: Convolutional, encoding: Encoding, candidates: Tensor, signs: Tensor) -> list[Tensor]:
    """Of every layer's convolution, summed over candidates."""
    network.zero_grad()
    network.learn(encoding, candidates, signs)
    found = []
    for level in network.levels:
        grad = network.layer(level).connection(str(level - 1)).weight.grad
        assert grad is not None  # for the type checker
        found.append(grad * len(signs))
    return found


def of_layer(network: Convolutional, level: int, step: Step) -> dict[str, float]:
    """What one layer makes of the true label and of another one."""
    layer, h = network.layer(level), step.activities[level]
    change = (h[:, 0] - h[:, 1]).abs() / h.square().mean().sqrt()
    goodness = layer.goodness_of(h)
    threshold, sharpness = (
        getattr(network.config, name)[level - 1] for name in ("thresholds", "sharpnesses")
    )
    return {
        "goodness": goodness.mean().item(),
        "p": torch.sigmoid(sharpness * (goodness - threshold)).mean().item(),
        "changed": (change > 0.01).float().mean().item(),
        "difference": ((goodness[:, 0] - goodness[:, 1]).abs().mean() / goodness[:, 0].std()).item(),
    }


def layers(network: Convolutional, images: Tensor, labels: Tensor) -> list[dict[str, float]]:
    """What is measured, layer by layer, of images `(batch, pixels)`."""
    candidates = torch.stack([labels, (labels + 1) % network.classes], dim=1)
    with network.following():
        encoding = network.encode(images)
    encoding = network.encode(images)
    (step,) = network.steps(encoding, candidates)
    found = [of_layer(network, level, step) for level in network.levels]
    alone = gradient(network, encoding, candidates[:, :1], torch.ones(1))
    both = gradient(network, encoding, candidates, torch.tensor([1.0, -1.0]))
    for layer, one, other in zip(found, alone, both, strict=True):
        layer["left"] = (other.norm() / one.norm()).item()
    return found


def measure(name: str) -> Line:
    """A recipe with new weights, or a run."""
    if Path(name).is_dir():
        run = open_run(Path(name), TrainedImages, None, "cpu", None)
        network, recipe, corpus = run.network, run.recipe, run.corpus
    else:
        recipe = ffrec.recipe(name)
        corpus, network = load(recipe, None), None
    held_out = corpus.validation
    assert held_out is not None  # CIFAR-10 has such images
    images, labels = Images(held_out.images[:IMAGES]), held_out.labels[:IMAGES]
    if network is None:
        network = make_network(recipe.network, images.features, 10, torch.Generator().manual_seed(0))
    config = recipe.network
    for layer, *settings in zip(network.layers, config.thresholds, config.sharpnesses, strict=True):
        layer.objective = Logistic(*settings)
    with torch.no_grad():
        found = layers(network, images.batch(slice(None)), labels)
    return {"of": recipe.name, "weights": "trained" if Path(name).is_dir() else "new", "layers": found}


def tables(lines: list[Line]) -> Iterator[str]:
    """One for each network, the last that was measured of its recipe with new or with trained weights."""
    newest = {(line["of"], line["weights"]): line for line in lines}
    for line in newest.values():
        rows = [
            [
                str(level),
                f"{layer['goodness']:.3g}",
                f"{layer['p']:.3f}",
                *(f"{100 * layer[key]:.3g}" for key in ("changed", "difference", "left")),
            ]
            for level, layer in enumerate(line["layers"], 1)
        ]
        yield f"`{line['of']}`, {line['weights']} weights:\n\n{table(HEAD, rows)}"


def main() -> None:
    command("What goodness sees of a label in convolutions.", "trials.jsonl", "trials", measure, tables)


if __name__ == "__main__":
    main()

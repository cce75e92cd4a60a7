"""Does top-down input learn to predict, or to cancel, bottom-up input? Hinton 2022 §3.5.

    python benchmarks/top_down.py measure RUN [RUN …]
    python benchmarks/top_down.py show [--into docs/local-cifar.md]

`measure` reads runs of recurrent networks and adds a line for each to results/top_down.jsonl. For every layer
and image it takes the correlation over units between what the layers below send, x W, and what those above
send, at the last iteration of the window: with the true label, and with the wrong one that the softmax finds
likeliest. It does so with the run's weights, and with new ones of the same seed. `show` prints the tables.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from measuring import Line, command
from torch import Tensor

from cli.trained import open_run
from ffrec.data.images import Images
from ffrec.evaluation.calibration import batches
from ffrec.learning.update import Step
from ffrec.networks.network import Encoding
from ffrec.networks.recurrent import Recurrent
from ffrec.reports.tables import table
from ffrec.tasks.images import TrainedImages
from ffrec.training.arithmetic import computing
from ffrec.training.images import make_network

IMAGES = 1000


def correlation(one: Tensor, other: Tensor) -> Tensor:
    """Pearson's, over the last axis."""
    one, other = (x.float() - x.float().mean(-1, keepdim=True) for x in (one, other))
    return torch.nn.functional.cosine_similarity(one, other, dim=-1)


def correlations(network: Recurrent, step: Step) -> Tensor:
    """Of bottom-up and top-down input of every layer in one step, `(layers, batch, candidates)`."""
    found = []
    for level in network.levels:
        layer, parts = network.layer(level), {True: torch.zeros(()), False: torch.zeros(())}
        for source in layer.sources:
            below = int(source) < level
            parts[below] = parts[below] + layer.connection(source)(step.inputs[source])
        found.append(correlation(parts[True], parts[False]).expand(-1, step.candidates))
    return torch.stack(found)


def pairs(network: Recurrent, encoding: Encoding, labels: Tensor) -> Tensor:
    """True labels, and the wrong ones that the softmax finds likeliest, `(batch, 2)`."""
    logits = network.logits(encoding).scatter(1, labels[:, None], float("-inf"))
    return torch.stack([labels, logits.argmax(1)], dim=1)


def average(network: Recurrent, images: Images, labels: Tensor) -> list[list[float]]:
    """Mean correlation, for each layer with the true label and with a wrong one."""
    found = []
    for rows, truth in zip(batches(images, network.batch), labels.split(network.batch), strict=True):
        encoding = network.encode(rows)
        *_, last = network.steps(encoding, pairs(network, encoding, truth), network.window[1])
        found.append(correlations(network, last))
    means: list[list[float]] = torch.cat(found, dim=1).mean(1).tolist()
    return means


def measure(name: str) -> Line:
    """The correlations of one run, on images that it has not learnt from, if there are any."""
    run = open_run(Path(name), TrainedImages, None, "cpu", None)
    network, part = run.network, "test" if run.corpus.validation is None else "validation"
    if not isinstance(network, Recurrent):
        raise SystemExit(f"{name}: expected the run of a recurrent network, found {run.recipe.network.kind}")
    held_out = getattr(run.corpus, part)
    images = Images(held_out.images[:IMAGES], permute=run.recipe.training.permute)
    drawn = torch.Generator().manual_seed(run.folder.config["seed"])
    new = make_network(run.recipe.network, images.features, network.classes, drawn)
    assert isinstance(new, Recurrent)  # for the type checker
    found: dict[str, Any] = {"run": Path(name).name, "part": part, "images": len(images)}
    found["activity"] = network.config.activity
    for name, each in {"new": new, "trained": network}.items():
        with torch.no_grad(), computing(each, run.folder.config["precision"], torch.device("cpu")):
            found[name] = average(each, images, held_out.labels[:IMAGES])
    return found


def tables(lines: list[Line]) -> Iterator[str]:
    """One for each run."""
    for line in lines:
        yield f"`{line['run']}`, activity {line['activity']}, {line['images']} {line['part']} images:"
        rows = [
            [f"hidden layer {level}", *(f"{value:+.2f}" for value in (*new, *trained))]
            for level, (new, trained) in enumerate(zip(line["new"], line["trained"], strict=True), 1)
        ]
        kinds = [f"{name}, {kind}" for name in ("new weights", "trained") for kind in ("true", "wrong")]
        yield table(["correlation of top-down and bottom-up input", *kinds], rows)


def main() -> None:
    command("Correlation of top-down and bottom-up input.", "top_down.jsonl", "top-down", measure, tables)


if __name__ == "__main__":
    main()

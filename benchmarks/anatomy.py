"""What layers, iterations and damping contribute to a trained recurrent network's answers, and what weights
of them are worth.

    python benchmarks/anatomy.py measure RUN [RUN …]
    python benchmarks/anatomy.py show [--into docs/recurrent.md]

`measure` reads run folders and adds a line for each to results/anatomy.jsonl: errors on validation images, or
on test images where a run has learnt from those too. `show` prints their tables.
"""

import dataclasses
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from measuring import Line, command
from torch import Tensor, nn

from cli.trained import open_run
from ffrec.data.images import Images
from ffrec.evaluation.calibration import batches, fit_temperature
from ffrec.networks.network import Network
from ffrec.networks.recurrent import Recurrent
from ffrec.networks.text.pool import fit_exponents, pooled
from ffrec.reports.tables import table
from ffrec.tasks.images import TrainedImages
from ffrec.training.arithmetic import computing

ITERATIONS, DAMPING = 12, (0.0, 0.15, 0.3, 0.5, 0.7)


def goodness(network: Network, rows: Tensor) -> Tensor:
    """Of every label in every layer and iteration, `(iterations, layers, batch, classes)`."""
    every = torch.arange(network.classes).expand(len(rows), -1)
    steps = network.steps(network.encode(rows), every, ITERATIONS)
    return torch.stack(
        [torch.stack([network.label_score(level, step, every) for level in network.levels]) for step in steps]
    )


def errors(scores: Tensor, labels: Tensor) -> Any:
    """Errors in percent of scores `(…, batch, classes)`, as nested lists."""
    return (100 * (scores.argmax(-1) != labels).double().mean(-1)).tolist()


def weighted(scores: Tensor, labels: Tensor) -> dict[str, float]:
    """Error in percent and nats an image of scores `(kinds, batch, classes)`, weighted: each kind is given a
    temperature, and their predictions exponents, which are fitted to the other half of the images."""
    half = torch.arange(len(labels)) % 2 == 0
    found = torch.empty_like(scores[0])
    for part in (half, ~half):
        tempered = [of_kind / fit_temperature(of_kind[~part], labels[~part]) for of_kind in scores]
        log_p = torch.stack(tempered, dim=1).log_softmax(2)
        alike = torch.full((len(scores),), 1 / len(scores))
        found[part] = pooled(log_p[part], fit_exponents(log_p[~part], labels[~part], alike))
    return {"error": errors(found, labels), "nats": float(nn.functional.nll_loss(found, labels))}


def weightings(goodness: Tensor, window: tuple[int, int], softmax: Tensor, labels: Tensor) -> dict[str, Any]:
    """Errors and nats of what a network could decide by, each with fitted weights: the sum that it does
    decide by has one of its own."""
    first, last = window
    of_all = goodness[:last].flatten(0, 1)
    mean = goodness[first - 1 : last].mean(0).sum(0)
    kinds = {
        "the mean over iterations, summed over layers": mean[None],
        "each layer and iteration": of_all,
        "the mean and the softmax": torch.stack([mean, softmax]),
        "each layer and iteration, and the softmax": torch.cat([of_all, softmax[None]]),
    }
    return {name: weighted(scores.double(), labels) for name, scores in kinds.items()}


def measure(name: str) -> Line:
    """What one run's network makes of images that it has not learnt from."""
    run = open_run(Path(name), TrainedImages, None, "cpu", None)
    if not isinstance(run.network, Recurrent):
        raise SystemExit(f"{name}: expected the run of a recurrent network, found {run.recipe.network.kind}")
    part = "test" if run.corpus.validation is None else "validation"
    images = Images(getattr(run.corpus, part).images, permute=run.recipe.training.permute)
    labels, network = getattr(run.corpus, part).labels, run.network
    first, last = network.window
    with torch.no_grad(), computing(network, run.folder.config["precision"], torch.device("cpu")):
        found = torch.cat([goodness(network, rows) for rows in batches(images, network.batch)], dim=2)
        logits = torch.cat([network.logits(network.encode(rows)) for rows in batches(images, network.batch)])
        config, by_damping = network.config, {}
        for damping in DAMPING:
            network.config = dataclasses.replace(config, damping=damping)
            again = torch.cat(
                [goodness(network, rows)[first - 1 : last] for rows in batches(images, network.batch)], dim=2
            )
            by_damping[str(damping)] = errors(again.sum(1).mean(0), labels)
    line = {
        "run": Path(name).name,
        "part": part,
        "window": [first, last],
        "softmax": errors(logits, labels),
        "by_layer": [*errors(found.transpose(0, 1), labels), errors(found.sum(1), labels)],
        "in_window": [
            *errors(found[first - 1 : last].mean(0), labels),
            errors(found[first - 1 : last].mean(0).sum(0), labels),
        ],
        "trained_with": config.damping,
        "by_damping": by_damping,
    }
    if part == "validation":  # nothing is fitted to test images
        line["weighted"] = weightings(found, network.window, logits.log_softmax(-1), labels)
    return line


def tables(lines: list[Line]) -> Iterator[str]:
    """Two tables for each run, and a third where weights were fitted."""
    for line in lines:
        count = len(line["by_layer"]) - 1
        names = [*(f"hidden layer {n}" for n in range(1, count + 1)), "all layers"]
        numbers = [str(n) for n in range(1, len(line["by_layer"][0]) + 1)]
        first, last = line["window"]
        rows = [
            [name, *(f"{error:.2f}" for error in by_iteration), f"{mean:.2f}"]
            for name, by_iteration, mean in zip(names, line["by_layer"], line["in_window"], strict=True)
        ]
        yield (
            f"`{line['run']}`, {line['part']} images, error in % by the goodness of one iteration and by its "
            f"mean over iterations {first} to {last}; one pass and the softmax: {line['softmax']:.2f} %."
        )
        yield table(["goodness of", *numbers, f"{first}–{last}"], rows)
        yield f"The same run with another damping than the {line['trained_with']} that it was trained with:"
        yield table(
            ["damping", *line["by_damping"]],
            [["error, %", *(f"{e:.2f}" for e in line["by_damping"].values())]],
        )
        if "weighted" in line:
            yield "The same run with weights that were fitted to the other half of these images:"
            yield table(
                ["weights of", "error, %", "nats an image"],
                [[name, f"{w['error']:.2f}", f"{w['nats']:.4f}"] for name, w in line["weighted"].items()],
            )


def main() -> None:
    command("What layers, iterations and damping contribute.", "anatomy.jsonl", "anatomy", measure, tables)


if __name__ == "__main__":
    main()

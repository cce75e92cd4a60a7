"""Errors on training images, as they are, beside those on test images: the columns of Hinton 2022, table 1.

    python benchmarks/training_error.py measure RUN [RUN …]
    python benchmarks/training_error.py show [--into docs/local-cifar.md]

`measure` adds a line for each run folder to results/training_error.jsonl; `show` prints the table.
"""

from collections.abc import Iterator
from pathlib import Path

import torch
from measuring import Line, command

from cli.trained import open_run
from ffrec.config import RecurrentConfig
from ffrec.data.images import Images
from ffrec.evaluation.images import evaluate_images
from ffrec.reports.tables import table
from ffrec.tasks.images import TrainedImages

IMAGES = 5000
"""The first training images; an error of 40 % has a standard error of 0.7 points."""
BY = {"error_goodness": "goodness", "error_softmax": "one-pass softmax"}
PAPER = {
    "recurrent-cifar10-2": {"error_goodness": "20, 41", "error_softmax": "31, 45"},
    "recurrent-cifar10-2, maximised": {"error_goodness": "25, 44", "error_softmax": "33, 46"},
    "recurrent-cifar10-3": {"error_goodness": "24, 41", "error_softmax": "32, 44"},
    "backprop-cifar10-2": {"error_softmax": "0, 37"},
    "backprop-cifar10-3": {"error_softmax": "2, 39"},
}
"""Training and test error, %, of the paper's table."""
HEAD = ("run", "predicted by", "epochs", "training error, %", "test error, %", "in the paper, %")


def measure(name: str) -> Line:
    """The errors of one run."""
    run = open_run(Path(name), TrainedImages, None, "cpu", None)
    part, training = run.corpus.train, run.recipe.training
    images = Images(part.images[:IMAGES], permute=training.permute)
    with torch.no_grad():
        found = evaluate_images(run.network, images, part.labels[:IMAGES], all_iterations=False)
    result = run.folder.read_json("result.json")
    assert result is not None
    config = run.recipe.network
    maximised = isinstance(config, RecurrentConfig) and config.activity == "max"
    of = run.recipe.name + (", maximised" if maximised else "")
    errors = {by: [found[by], result["test"][by]] for by in BY if by in found}  # type: ignore[literal-required]
    return {"run": f"{of} (seed {result['seed']})", "epochs": result["epochs"], **errors}


def tables(lines: list[Line]) -> Iterator[str]:
    """One, with a row for every prediction of every run, the last that was measured of each."""
    newest = {line["run"]: line for line in lines}
    yield table(
        HEAD,
        [
            [
                line["run"],
                words,
                str(line["epochs"]),
                *(f"{error:.2f}" for error in line[by]),
                PAPER.get(line["run"].split(" (")[0], {}).get(by, "–"),
            ]
            for line in newest.values()
            for by, words in BY.items()
            if by in line
        ],
    )


def main() -> None:
    command((__doc__ or "").splitlines()[0], "training_error.jsonl", "training-error", measure, tables)


if __name__ == "__main__":
    main()

"""What one change of a recipe does to the validation error; the test set is never read.

    python benchmarks/ingredients.py run [--group WORDS] [--only NAME …] [--seed 0 …] [--part 1/2]
    python benchmarks/ingredients.py show [--into docs/recurrent.md]    (a page gets its own groups)

`run` trains what benchmarks/ingredients.toml lists and results/ingredients.jsonl does not hold yet, in one
thread and bfloat16. Several of them share the work by `--part`. `show` prints a table for every group, with a
row for each change: mean ± standard deviation over seeds.
"""

import statistics
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from changes import Change, Line, changed, measured, named, parser, run, tables
from measuring import present
from torch import Tensor
from torch.nn.functional import cross_entropy

from cli.plugins import load_plugins
from ffrec.config import Recipe
from ffrec.data.images import Images
from ffrec.evaluation.calibration import batches, class_scores, fit_temperature
from ffrec.networks.network import Classifier
from ffrec.reports.groups import spread
from ffrec.tasks.task import Task
from ffrec.training.arithmetic import computing

HERE = Path(__file__).parent
LIST: Mapping[str, Any] = tomllib.loads((HERE / "ingredients.toml").read_text())
HEAD = (
    "change",
    "seeds",
    "error by goodness, %",
    "by softmax, %",
    "nats an image",
    "error by iteration, %",
    "minutes",
)


def nats(network: Classifier, images: Images, labels: Tensor) -> float:
    """−log p of the labels by goodness, the mean over images, at the temperature that is best for these
    images: it changes less from seed to seed than the error does."""
    with torch.no_grad(), computing(network, "bf16", torch.device("cpu")):
        scores = torch.cat([class_scores(network, rows) for rows in batches(images, network.batch)]).float()
    return float(cross_entropy(scores / fit_temperature(scores, labels), labels))


class Ingredient(Change):
    """Errors of a changed recipe."""

    def made(self) -> Recipe:
        return changed(self)

    def kept(self, task: Task, record: Mapping[str, Any]) -> Line:
        found = record["validation"]
        return {
            "nats": nats(task.trainer.network, *task.validation),
            **{key: found[key] for key in ("error_goodness", "error_softmax", "error_by_iteration")},
            "loss": record["loss"],
        }


def row(lines: Sequence[Line]) -> list[str]:
    """One change: its runs, which differ in their seed alone."""
    iterations = zip(*(line["error_by_iteration"] for line in lines), strict=True)
    return [
        *named(lines),
        spread([line["error_goodness"] for line in lines]),
        spread([line["error_softmax"] for line in lines]),
        f"{statistics.mean(line['nats'] for line in lines):.4f}",
        " ".join(f"{statistics.mean(errors):.2f}" for errors in iterations),
        f"{statistics.mean(line['minutes'] for line in lines):.0f}",
    ]


def main() -> None:
    options = parser("Validation errors of changed recipes.", "results/ingredients.jsonl")[0].parse_args()
    load_plugins([HERE / name for name in LIST["plugins"]])
    if options.command == "run":
        run(Ingredient.listed(LIST, options.seed), options)
        return
    lines = measured(Ingredient.listed(LIST, [0]), options.file)
    if options.into:
        own = {group["title"] for group in LIST["group"] if options.into.match(group["page"])}
        lines = [line for line in lines if line["group"] in own]
    present(tables(lines, HEAD, row), "ingredients", options.into)


if __name__ == "__main__":
    main()

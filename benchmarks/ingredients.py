"""What one change of a recipe does to the validation error; the test set is never read.

    python benchmarks/ingredients.py run RECIPE --group GROUP --name NAME [--set KEY=VALUE …] [--seed 0]
    python benchmarks/ingredients.py show [--into docs/recurrent.md]

`run` trains one network, in one thread and bfloat16, and adds a line to results/ingredients.jsonl. `show`
prints one table for every group, with a row for each change: mean ± standard deviation over seeds.
"""

import argparse
import json
import os
import statistics
import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

import ffrec
from cli.corpus import load
from cli.options import parse_settings
from cli.plugins import load_plugins
from cli.report import put_between
from ffrec.data.images import Images
from ffrec.evaluation.calibration import batches, class_scores, fit_temperature
from ffrec.networks.network import Classifier
from ffrec.reports.groups import spread
from ffrec.reports.tables import table
from ffrec.tasks.kinds import new_task
from ffrec.training.arithmetic import computing
from ffrec.training.trainer import Epoch

HEAD = (
    "change",
    "seeds",
    "error by goodness, %",
    "by softmax, %",
    "nats an image",
    "error by iteration, %",
    "minutes",
)
Line = Mapping[str, Any]


def nats(network: Classifier, images: Images, labels: Tensor) -> float:
    """−log p of the labels by goodness, the mean over images, at the temperature that is best for these
    images: it changes less from seed to seed than the error does."""
    with torch.no_grad(), computing(network, "bf16", torch.device("cpu")):
        scores = torch.cat([class_scores(network, rows) for rows in batches(images)]).float()
    return float(cross_entropy(scores / fit_temperature(scores, labels), labels))


def run(options: argparse.Namespace) -> Line:
    """Train one network; returns what it reaches on validation images."""
    start, settings = time.perf_counter(), parse_settings(options.set or [])
    recipe = ffrec.recipe(options.recipe).override(settings | {"validate_every": 10**6})
    task = new_task(recipe, load(recipe, None), options.seed, torch.device("cpu"), "bf16")
    *_, last = (e for e in task.trainer.run(None, task.validation) if isinstance(e, Epoch))
    found = last.record["validation"]
    return {
        "group": options.group,
        "name": options.name,
        "recipe": options.recipe,
        "settings": settings,
        "seed": options.seed,
        "epochs": recipe.training.epochs,
        "nats": nats(task.trainer.network, *task.validation),
        **{key: found.get(key) for key in ("error_goodness", "error_softmax", "error_by_iteration")},
        "loss": last.record["loss"],
        "minutes": (time.perf_counter() - start) / 60,
    }


def row(name: str, lines: Sequence[Line]) -> list[str]:
    """One change: its runs, which differ in their seed alone."""

    iterations = zip(*(line["error_by_iteration"] for line in lines), strict=True)
    by_iteration = " ".join(f"{statistics.mean(errors):.2f}" for errors in iterations)
    return [
        name,
        str(len(lines)),
        spread([line["error_goodness"] for line in lines]),
        spread([line["error_softmax"] for line in lines]),
        f"{statistics.mean(line['nats'] for line in lines):.4f}",
        by_iteration,
        f"{statistics.mean(line['minutes'] for line in lines):.0f}",
    ]


def tables(lines: Sequence[Line]) -> str:
    """A table for every group, in the order of the file, under the settings that all its runs share."""
    groups: dict[str, dict[str, list[Line]]] = defaultdict(lambda: defaultdict(list))
    for line in lines:
        groups[line["group"]][line["name"]].append(line)
    parts = []
    for group, changes in groups.items():
        of_all = [line for found in changes.values() for line in found]
        shared = {
            k: v for k, v in of_all[0]["settings"].items() if all(o["settings"].get(k) == v for o in of_all)
        }
        recipes = " and ".join(sorted({f"`{line['recipe']}`" for line in of_all}))
        common = ", ".join(f"`{key}={json.dumps(value)}`" for key, value in shared.items())
        rows = []
        for name, found in changes.items():
            own = {k: v for k, v in found[0]["settings"].items() if k not in shared}
            rows.append(row(", ".join([name, *(f"`{k}={json.dumps(v)}`" for k, v in own.items())]), found))
        title = f"**{group}**: {recipes}{' with ' if common else ''}{common}."
        parts.append(f"{title}\n\n{table(HEAD, rows)}")
    return "\n\n".join(parts)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--file", type=Path, default=Path("results/ingredients.jsonl"))
    commands = parser.add_subparsers(dest="command", required=True)
    one = commands.add_parser("run")
    one.add_argument("recipe")
    for name in ("group", "name"):
        one.add_argument(f"--{name}", required=True)
    one.add_argument("--set", action="append", metavar="KEY=VALUE")
    one.add_argument("--seed", type=int, default=0)
    one.add_argument("--plugin", type=Path, action="append")
    show = commands.add_parser("show")
    show.add_argument("--into", type=Path)
    options = parser.parse_args()
    load_plugins(getattr(options, "plugin", None))
    if options.command == "run":
        torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", "1")))
        line = json.dumps(run(options)) + "\n"
        with options.file.open("a") as file:
            file.write(line)
        print(line, end="")
        return
    found = tables([json.loads(line) for line in options.file.read_text().splitlines()])
    if options.into:
        put_between(options.into, "ingredients", found)
    else:
        print(found)


if __name__ == "__main__":
    main()

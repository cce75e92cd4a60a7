"""What one change of a recipe does to the validation error; the test set is never read.

    python benchmarks/ingredients.py run [--group WORDS] [--only NAME …] [--seed 0 …] [--part 1/2]
    python benchmarks/ingredients.py show [--into docs/recurrent.md]

`run` trains what benchmarks/ingredients.toml lists and results/ingredients.jsonl does not hold yet, in one
thread and bfloat16. Several of them share the work by `--part`. `show` prints a table for every group, with a
row for each change: mean ± standard deviation over seeds.
"""

import argparse
import json
import statistics
import time
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

import ffrec
from cli.corpus import load
from cli.plugins import load_plugins
from cli.report import put_between
from ffrec.config import Recipe
from ffrec.data.images import Images
from ffrec.evaluation.calibration import batches, class_scores, fit_temperature
from ffrec.networks.network import Classifier
from ffrec.reports.groups import spread
from ffrec.reports.tables import table
from ffrec.tasks.kinds import new_task
from ffrec.tasks.recorded import completed, plain
from ffrec.training.arithmetic import computing
from ffrec.training.trainer import Epoch

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
Line = Mapping[str, Any]


def nats(network: Classifier, images: Images, labels: Tensor) -> float:
    """−log p of the labels by goodness, the mean over images, at the temperature that is best for these
    images: it changes less from seed to seed than the error does."""
    with torch.no_grad(), computing(network, "bf16", torch.device("cpu")):
        scores = torch.cat([class_scores(network, rows) for rows in batches(images)]).float()
    return float(cross_entropy(scores / fit_temperature(scores, labels), labels))


@dataclass(frozen=True)
class Work:
    """One change of one group, with one seed."""

    title: str
    recipe: str
    shared: Mapping[str, Any]
    change: str
    settings: Mapping[str, Any]
    seed: int

    @property
    def name(self) -> tuple[str, str, int]:
        return self.title, self.change, self.seed

    def made(self) -> Recipe:
        """The changed recipe, validated after its last epoch."""
        return ffrec.recipe(self.recipe).override({**self.shared, **self.settings, "validate_every": 10**6})

    def train(self) -> Line:
        """What the network reaches on validation images."""
        start, recipe = time.perf_counter(), self.made()
        task = new_task(recipe, load(recipe, None), self.seed, torch.device("cpu"), "bf16")
        *_, last = (e for e in task.trainer.run(None, task.validation) if isinstance(e, Epoch))
        found = last.record["validation"]
        return {
            "group": self.title,
            "change": self.change,
            "settings": self.settings,
            "seed": self.seed,
            "recipe": plain(recipe),
            "nats": nats(task.trainer.network, *task.validation),
            **{key: found[key] for key in ("error_goodness", "error_softmax", "error_by_iteration")},
            "loss": last.record["loss"],
            "minutes": (time.perf_counter() - start) / 60,
        }


def listed(seeds: Sequence[int]) -> list[Work]:
    """All that the list asks for, seed by seed."""
    return [
        Work(group["title"], group["recipe"], group["settings"], change, settings, seed)
        for seed in seeds
        for group in LIST["group"]
        for change, settings in group["changes"].items()
    ]


def measured(file: Path) -> list[Line]:
    """What has been measured of today's recipes, in the order of the list."""
    lines = [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []
    works = {work.name[:2]: work for work in listed([0])}
    order = list(works)

    def current(line: Line) -> bool:
        """Whether the line's recipe is that of the list and of today."""
        work = works.get((line["group"], line["change"]))
        return work is not None and plain(work.made()) == completed({"recipe": line["recipe"]})["recipe"]

    known = [line for line in lines if current(line)]
    return sorted(known, key=lambda line: (order.index((line["group"], line["change"])), line["seed"]))


def run(options: argparse.Namespace) -> None:
    """Train what is missing of this part of the list; every result is a line of the file at once."""
    place, parts = map(int, options.part.split("/"))
    for number, work in enumerate(listed(options.seed)):
        done = {(line["group"], line["change"], line["seed"]) for line in measured(options.file)}
        wanted = options.group in work.title and (not options.only or work.change in options.only)
        if not wanted or work.name in done or number % parts != place % parts:
            continue
        line = json.dumps(work.train())
        with options.file.open("a") as file:
            file.write(f"{line}\n")
        print(*work.name, f"{json.loads(line)['error_goodness']:.2f} %", flush=True)


def row(lines: Sequence[Line]) -> list[str]:
    """One change: its runs, which differ in their seed alone."""
    settings = ", ".join(f"`{key}={json.dumps(value)}`" for key, value in lines[0]["settings"].items())
    iterations = zip(*(line["error_by_iteration"] for line in lines), strict=True)
    return [
        f"{lines[0]['change']} {settings}".strip(),
        str(len(lines)),
        spread([line["error_goodness"] for line in lines]),
        spread([line["error_softmax"] for line in lines]),
        f"{statistics.mean(line['nats'] for line in lines):.4f}",
        " ".join(f"{statistics.mean(errors):.2f}" for errors in iterations),
        f"{statistics.mean(line['minutes'] for line in lines):.0f}",
    ]


def tables(lines: Sequence[Line]) -> str:
    """A table for every group."""
    parts = []
    for title, of_group in groupby(lines, lambda line: line["group"]):
        rows = [row(list(runs)) for _, runs in groupby(of_group, lambda line: line["change"])]
        parts.append(f"**{title}**\n\n{table(HEAD, rows)}")
    return "\n\n".join(parts)


def main() -> None:
    parser = argparse.ArgumentParser(description="Validation errors of changed recipes.")
    parser.add_argument("--file", type=Path, default=Path("results/ingredients.jsonl"))
    commands = parser.add_subparsers(dest="command", required=True)
    one = commands.add_parser("run")
    one.add_argument("--group", default="", help="groups whose titles hold these words")
    one.add_argument("--only", nargs="+", help="changes, by name")
    one.add_argument("--seed", nargs="+", type=int, default=[0])
    one.add_argument("--part", default="1/1", help="which part of the work, of how many")
    commands.add_parser("show").add_argument("--into", type=Path)
    options = parser.parse_args()
    load_plugins([HERE / name for name in LIST["plugins"]])
    if options.command == "run":
        torch.set_num_threads(1)
        run(options)
    elif options.into:
        put_between(options.into, "ingredients", tables(measured(options.file)))
    else:
        print(tables(measured(options.file)))


if __name__ == "__main__":
    main()

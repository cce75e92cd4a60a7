"""How top-down input comes to agree with bottom-up input, or to cancel it, as a network learns: §3.5.

    python benchmarks/top_down_training.py run [--seed 0 1 2]
    python benchmarks/top_down_training.py show [--into docs/local-cifar.md] [--figure docs/top-down.png]

`run` trains `recurrent-local-digits` with each of `CHANGES`, and after every epoch takes the correlation of
`benchmarks/top_down.py` on validation images: a line for each in results/top_down_training.jsonl. The test
set is never read. `show` prints where the correlations end, mean ± standard deviation over seeds, and draws
their way there.
"""

import argparse
import json
import statistics
from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from measuring import present
from top_down import average

import ffrec
from cli.corpus import load
from ffrec.reports.figures.canvas import save, shades
from ffrec.reports.groups import spread
from ffrec.reports.tables import table
from ffrec.tasks.kinds import new_task
from ffrec.training.events import Epoch

RECIPE = "recurrent-local-digits"
CHANGES: Mapping[str, Mapping[str, Any]] = {
    "little activity, below a threshold": {},
    "little activity, labels compete": {"objective": "candidates", "negatives": "hard-3"},
    "much activity, above a threshold": {"activity": "max", "threshold": 1.0},
    "much activity, labels compete": {
        "activity": "max",
        "threshold": 1.0,
        "objective": "candidates",
        "negatives": "hard-3",
    },
}
KINDS = ("true label", "likeliest wrong label")


def trained(settings: Mapping[str, Any], seed: int) -> dict[str, Any]:
    """Correlations `[epoch][layer][kind]`, from new weights on, and the validation error at the end."""
    recipe = ffrec.recipe(RECIPE).override({**settings, "validate_every": 10**6})
    task = new_task(recipe, load(recipe, None), seed, torch.device("cpu"), "fp32")
    images, labels = task.validation
    network, found, error = task.trainer.network, [], None
    with torch.no_grad():
        found.append(average(network, images, labels))
        for event in task.trainer.run(None, task.validation):
            if isinstance(event, Epoch):
                found.append(average(network, images, labels))
                error = event.record.get("validation", {}).get("error_goodness")
    return {"seed": seed, "error": error, "correlation": found}


def read(file: Path) -> Iterator[tuple[str, list[Mapping[str, Any]]]]:
    """The runs of each change, in the order of the list."""
    lines = [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []
    order = list(CHANGES)
    lines = sorted(
        (each for each in lines if each["change"] in CHANGES), key=lambda x: order.index(x["change"])
    )
    for change, runs in groupby(lines, lambda line: line["change"]):
        yield change, list(runs)


def rows(change: str, runs: Sequence[Mapping[str, Any]]) -> Iterator[list[str]]:
    """One for each layer: where its correlations end."""
    error = spread([run["error"] for run in runs])
    for level in range(len(runs[0]["correlation"][0])):
        last = [run["correlation"][-1][level] for run in runs]
        ends = [spread([each[kind] for each in last]) for kind in range(len(KINDS))]
        yield [change, str(len(runs)), error, f"hidden layer {level + 1}", *ends]


def draw(axes: Axes, change: str, runs: Sequence[Mapping[str, Any]]) -> None:
    """The mean correlation over epochs, layer by layer, with the true and with the wrong label."""
    every = [run["correlation"] for run in runs]
    layers = len(every[0][0])
    for level, colour in enumerate(shades(layers)):
        for kind, style in enumerate(("-", ":")):
            way = [
                statistics.mean(each[epoch][level][kind] for each in every) for epoch in range(len(every[0]))
            ]
            axes.plot(way, style, color=colour, label=f"layer {level + 1}, {KINDS[kind]}")
    axes.axhline(0, color="black", linewidth=0.5)
    axes.set(title=change, xlabel="epoch")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--file", type=Path, default=Path("results/top_down_training.jsonl"))
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("run").add_argument("--seed", nargs="+", type=int, default=[0])
    show = commands.add_parser("show")
    show.add_argument("--into", type=Path)
    show.add_argument("--figure", type=Path)
    asked = parser.parse_args()
    if asked.command == "run":
        torch.set_num_threads(1)
        done = {(change, run["seed"]) for change, runs in read(asked.file) for run in runs}
        for change, seed in ((change, seed) for seed in asked.seed for change in CHANGES):
            if (change, seed) not in done:
                line = json.dumps({"change": change, **trained(CHANGES[change], seed)})
                with asked.file.open("a") as file:
                    file.write(f"{line}\n")
        return
    groups = dict(read(asked.file))
    head = ["objective", "seeds", "validation error, %", "layer", *KINDS]
    shown = table(head, [row for change, runs in groups.items() for row in rows(change, runs)])
    if asked.figure:
        figure = Figure(figsize=(11, 3), layout="constrained")
        panels = figure.subplots(1, len(groups), sharey=True)
        for axes, (change, runs) in zip(panels, groups.items(), strict=True):
            draw(axes, change, runs)
            axes.title.set_fontsize(9)
        panels[0].set_ylabel("correlation")
        panels[0].legend(fontsize=6)
        save(figure, asked.figure)
    present(shown, "top-down-training", asked.into)


if __name__ == "__main__":
    main()

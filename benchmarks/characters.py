"""What one change of a recipe for characters does to the validation perplexity; the test set is never read.

    python benchmarks/characters.py run [--group WORDS] [--only NAME …] [--seed 0 …] [--part 1/2]
    python benchmarks/characters.py show [--into docs/goodness-text.md]

`run` trains what benchmarks/characters.toml lists and results/characters.jsonl does not hold yet, in one
thread and bfloat16. `show` prints a table for every group, with a row for each change: mean ± standard
deviation over seeds.
"""

import statistics
import tomllib
from collections.abc import Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import torch
from changes import Change, Line, changed, measured, named, parser, run, tables
from measuring import present

from ffrec.config import Recipe
from ffrec.evaluation.text import perplexity
from ffrec.reports.groups import spread
from ffrec.tasks.task import Task

LIST: Mapping[str, Any] = tomllib.loads(Path(__file__).with_suffix(".toml").read_text())
HEAD = (
    "change",
    "seeds",
    "validation perplexity, layer by layer",
    "from the 11th character on",
    "softmax",
    "on the training strings",
    "weight updates",
    "processor seconds",
)


COMMON = 10
"""Length of the longest window that is compared: what comes after it is predicted by all of them."""


class Characters(Change):
    """Perplexities of a changed recipe."""

    def made(self) -> Recipe:
        return changed(self)

    def kept(self, task: Task, record: Mapping[str, Any]) -> Line:
        found = {
            name: record["validation"][name] for name in ("perplexity", "by_part", "training_perplexity")
        }
        network = task.trainer.network
        with torch.no_grad():
            log_p = network.mix(network.log_likelihood(task.validation))
        size = network.config.window
        late = perplexity(log_p[:, COMMON - size :]) if size <= COMMON else None
        done = islice(task.trainer.make_schedule(), task.trainer.updates)
        learnt = [phase for phases in done for phase in phases if not phase.startswith("generate")]
        return {**found, "late": late, "weight_updates": len(learnt)}


def row(lines: Sequence[Line]) -> list[str]:
    """One change: its runs, which differ in their seed alone."""
    layers = [name for name in lines[0]["by_part"] if name.startswith("layer")]
    return [
        *named(lines),
        ", ".join(spread([line["by_part"][name] for line in lines]) for name in layers),
        spread([line["late"] for line in lines]) if all(line.get("late") for line in lines) else "–",
        spread([line["by_part"]["softmax"] for line in lines]),
        spread([line["training_perplexity"] for line in lines]),
        str(lines[0].get("weight_updates", "–")),
        f"{60 * statistics.mean(line['processor_minutes'] for line in lines):.1f}",
    ]


def main() -> None:
    made, _ = parser("Validation perplexities of changed recipes.", "results/characters.jsonl")
    options = made.parse_args()
    if options.command == "run":
        run(Characters.listed(LIST, options.seed), options)
        return
    found = tables(measured(Characters.listed(LIST, [0]), options.file), HEAD, row)
    present(found, "changes", options.into)


if __name__ == "__main__":
    main()

"""What one change of a recipe for characters does to the validation perplexity; the test set is never read.

    python benchmarks/characters.py run [--group WORDS] [--only NAME …] [--seed 0 …] [--part 1/2]
    python benchmarks/characters.py show [--into docs/goodness-text.md]

`run` trains what benchmarks/characters.toml lists and results/characters.jsonl does not hold yet, in one
thread and bfloat16. `show` prints a table for every group, with a row for each change: mean ± standard
deviation over seeds.
"""

import json
import statistics
import time
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from changes import Line, Work, measured, parser, run, tables

import ffrec
from cli.corpus import load
from cli.report import put_between
from ffrec.config import Recipe
from ffrec.reports.groups import spread
from ffrec.tasks.kinds import new_task
from ffrec.training.trainer import Epoch

LIST: Mapping[str, Any] = tomllib.loads(Path(__file__).with_suffix(".toml").read_text())
HEAD = ("change", "seeds", "validation perplexity, layer by layer", "on the training strings", "minutes")


class Change(Work):
    """A change of a recipe's settings."""

    def made(self) -> Recipe:
        """The changed recipe, validated after its last epoch."""
        return ffrec.recipe(self.recipe).override({**self.shared, **self.settings, "validate_every": 10**6})

    def train(self) -> Line:
        start, recipe = time.perf_counter(), self.made()
        task = new_task(recipe, load(recipe, None), self.seed, torch.device("cpu"), "bf16")
        *_, last = (e for e in task.trainer.run(None, task.validation) if isinstance(e, Epoch))
        found = last.record["validation"]
        kept = {name: found[name] for name in ("perplexity", "by_part", "training_perplexity")}
        return {**kept, "minutes": (time.perf_counter() - start) / 60}


def row(lines: Sequence[Line]) -> list[str]:
    """One change: its runs, which differ in their seed alone."""
    settings = ", ".join(f"`{key}={json.dumps(value)}`" for key, value in lines[0]["settings"].items())
    layers = [name for name in lines[0]["by_part"] if name.startswith("layer")]
    return [
        f"{lines[0]['change']} {settings}".strip(),
        str(len(lines)),
        ", ".join(spread([line["by_part"][name] for line in lines]) for name in layers),
        spread([line["training_perplexity"] for line in lines]),
        f"{statistics.mean(line['minutes'] for line in lines):.1f}",
    ]


def main() -> None:
    options = parser("Validation perplexities of changed recipes.", "results/characters.jsonl")[
        0
    ].parse_args()
    if options.command == "run":
        run(Change.listed(LIST, options.seed), options)
        return
    found = tables(measured(Change.listed(LIST, [0]), options.file), HEAD, row)
    if options.into:
        put_between(options.into, "changes", found)
    else:
        print(found)


if __name__ == "__main__":
    main()

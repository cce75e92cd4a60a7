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
from pathlib import Path
from typing import Any

import torch
from changes import Change, Line, measured, named, parser, run, tables
from torch import Tensor

from cli.report import put_between
from ffrec.evaluation.text import perplexity
from ffrec.networks.text.network import TextNetwork
from ffrec.reports.groups import spread
from ffrec.tasks.task import Task

LIST: Mapping[str, Any] = tomllib.loads(Path(__file__).with_suffix(".toml").read_text())
HEAD = (
    "change",
    "seeds",
    "validation perplexity, layer by layer",
    "softmax",
    "corrected",
    "on the training strings",
    "processor seconds",
)


class Characters(Change):
    """Perplexities of a changed recipe."""

    def told(self, task: Task, record: Mapping[str, Any]) -> Line:
        found = {
            name: record["validation"][name] for name in ("perplexity", "by_part", "training_perplexity")
        }
        recipe = task.recipe
        if recipe.training.negatives.startswith("hard") and recipe.network.objective != "logistic":
            found["corrected"] = corrected(task.trainer.network, task.validation)
        return found


@torch.no_grad()
def corrected(network: TextNetwork, strings: Tensor) -> float:
    """Perplexity of p ∝ exp(κ Σ g) q (1 − q), q being the softmax's prediction: what goodness says of the
    next character if it was taught by one hard negative drawn from q, and about that if by several
    (docs/goodness-text.md)."""
    every = []
    windows, following = network.cases(strings)
    for part, wanted in zip(windows.split(network.batch), following.split(network.batch), strict=True):
        found = network.predictions(part)
        q = found["softmax"].exp()
        log_p = (found["own"] + found["softmax"] + torch.log1p(-q)).log_softmax(1)
        every.append(log_p.gather(1, wanted[:, None]))
    return perplexity(torch.cat(every))


def row(lines: Sequence[Line]) -> list[str]:
    """One change: its runs, which differ in their seed alone."""
    layers = [name for name in lines[0]["by_part"] if name.startswith("layer")]
    return [
        *named(lines),
        ", ".join(spread([line["by_part"][name] for line in lines]) for name in layers),
        spread([line["by_part"]["softmax"] for line in lines]),
        spread([line["corrected"] for line in lines]) if "corrected" in lines[0] else "–",
        spread([line["training_perplexity"] for line in lines]),
        f"{60 * statistics.mean(line['processor_minutes'] for line in lines):.1f}",
    ]


def main() -> None:
    made, _ = parser("Validation perplexities of changed recipes.", "results/characters.jsonl")
    options = made.parse_args()
    if options.command == "run":
        run(Characters.listed(LIST, options.seed), options)
        return
    found = tables(measured(Characters.listed(LIST, [0]), options.file), HEAD, row)
    if options.into:
        put_between(options.into, "changes", found)
    else:
        print(found)


if __name__ == "__main__":
    main()

"""The rows that open the README, and which recipe stands for each."""

from collections.abc import Sequence
from typing import NamedTuple

from ffrec.reports.groups import Defaults, Group, groups, in_words, spread
from ffrec.reports.summary import Summary
from ffrec.reports.tables import table
from ffrec.storage.files import RunError

HEAD = ("task", "paper", "ours, mean ± std (seeds)", "command", "minutes", "hardware")


class Row(NamedTuple):
    """A task, and the recipe that stands for it with its default settings."""

    task: str
    recipe: str
    beside: str = ""
    """The start of the name of a count model that is named beside our number, with what both reach
    together."""


ROWS = (
    Row("Recurrent network, MNIST", "recurrent-mnist-wide"),
    Row("Recurrent network, MNIST with jitter", "recurrent-mnist-jitter"),
    Row("Feed-forward network with labels, MNIST with jitter", "supervised-mnist-jitter"),
    Row("Local receptive fields without labels, MNIST", "local-mnist"),
    Row("Convolutions with class scores in every layer, CIFAR-10", "conv-cifar10-large"),
    Row("Wake and sleep phases of 128 batches each, MNIST", "sleep-mnist-cure"),
    Row("Next character, all strings of Aesop, by goodness", "aesop-state-full", beside="Kneser-Ney"),
)


def headline_table(runs: Sequence[Summary], defaults: Defaults) -> str:
    """The rows as a Markdown table; raises RunError, naming their recipes, if runs are missing."""
    made = [group for group in groups(runs, defaults) if not group.settings]
    chosen = {wanted.recipe: best(made, wanted.recipe) for wanted in ROWS}
    if missing := [name for name, group in chosen.items() if group is None]:
        raise RunError(
            f"the headline needs finished runs, with default settings, of {', '.join(missing)}: found none: "
            f"`ffrec train {missing[0]}` makes one"
        )
    rows = [cells(wanted, group, defaults) for wanted in ROWS if (group := chosen[wanted.recipe])]
    return table(HEAD, rows)


def best(made: Sequence[Group], name: str) -> Group | None:
    """The group of a recipe that has most seeds, the one in float32 where two have as many; None if none."""
    return max((group for group in made if group.name == name), key=lambda g: len(g.runs), default=None)


def cells(wanted: Row, group: Group, defaults: Defaults) -> list[str]:
    """One row."""
    measure, count = group.first.measure, len(group.runs)
    found = in_words(measure, group.of_test(measure))
    ours = f"{'' if measure == 'perplexity' else 'error '}{found} ({count} seed{'s' * (count != 1)})"
    if wanted.beside:
        for name, model in group.results[0]["baselines"].items():
            if name.startswith(wanted.beside):
                ours += f"; {name}: {model['test']['perplexity']:.2f}"
        both = [result["with_counts"] for result in group.results if result.get("with_counts")]
        if len(both) == count:
            ours += (
                f"; mixed with {both[0]['model']}: {spread([found['test']['perplexity'] for found in both])}"
            )
    paper = defaults.get(group.name, group.first.recipe)["paper"]
    return [wanted.task, paper, ours, f"`{group.command}`", group.minutes, group.hardware]

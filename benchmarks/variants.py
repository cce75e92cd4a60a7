"""The rate and the sharpness of every rule of `ffrec sweep variants`, chosen on validation images.

    python benchmarks/variants.py run [--group mnist] [--only hff asge …] [--part 1/2]
    python benchmarks/variants.py show [--into docs/variants.md]

The test set is never read. `run` trains every rule briefly, on a part of the images, with every value of one
setting after another (`stages`), each time beside the best values of the settings before. It measures what is
missing in results/variants.jsonl, in one thread and bfloat16. `show` prints the errors on validation images,
the lowest of a rule in bold. `CHOSEN` of ffrec/studies/rules.py has the settings of that one, and a test
compares the two.
"""

import argparse
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from changes import Change, Line, measured, parser, run
from measuring import present

from ffrec.config import ImageRecipe, Recipe
from ffrec.config.layers import LayerConfig
from ffrec.reports.tables import table
from ffrec.studies.rules import CELLS
from ffrec.studies.variants import recipe_of
from ffrec.tasks.task import Task

FILE = Path("results/variants.jsonl")
CHOOSING = {"mnist": 20_000, "fashion-mnist": 20_000, "cifar-10": 10_000}
"""Data sets on which settings are chosen, and how many images are learnt from for that."""
RATES = (3e-4, 1e-3, 3e-3, 1e-2)
SHARES = (0.25, 4.0)
"""Of the sharpness that a rule has in the menu."""
BRIEF: Mapping[str, Any] = {"epochs": 5, "validate_every": 5}

Stage = tuple[str, tuple[float, ...]]


class Trial(Change):
    """The error of one rule on validation images, by what its row is compared by."""

    def made(self) -> Recipe:
        return recipe_of(self.recipe, {**self.shared, **self.settings}, searched=False)

    def kept(self, task: Task, record: Mapping[str, Any]) -> Line:
        del task
        found = record["validation"]
        return {"error": found.get("error_goodness", found["error_softmax"])}


def stages(recipe: ImageRecipe) -> Iterator[Stage]:
    """The settings that are searched, in this order, and their values: the rate of the hidden layers; the
    sharpness, unless learnt scores scale themselves; and the rate of the softmax where it alone predicts."""
    network = recipe.network
    local = isinstance(network, LayerConfig)
    if local or getattr(network, "learns", "") == "all":
        yield "rate", RATES
    if isinstance(network, LayerConfig) and network.goodness != "scores":
        yield "sharpness", tuple(share * network.sharpnesses[0] for share in SHARES)
    if not local or recipe.training.negatives in ("hybrid", "pairs"):
        yield "softmax_rate", RATES


def trial(cell: str, settings: Mapping[str, float]) -> Trial:
    """A rule with some settings, trained briefly."""
    data, variant = CELLS[cell]
    change = ", ".join([variant, *(f"{key} {value:g}" for key, value in settings.items())])
    return Trial(data, cell, BRIEF, change, settings, 0, CHOOSING[data])


def search(cell: str, file: Path) -> tuple[list[Trial], list[tuple[str, Line]]]:
    """The trials of a cell that can be named now, and the lines of those that have been measured, each with
    the setting that it searched."""
    listed: list[Trial] = []
    found: list[tuple[str, Line]] = []
    best: Mapping[str, float] = {}
    recipe = recipe_of(cell, {}, searched=False)
    for name, values in stages(recipe):
        own = getattr(recipe.training, name, None) if best else None  # among the best so far already
        stage = [trial(cell, {**best, name: value}) for value in values if value != own]
        listed += stage
        lines = measured(stage, file)
        found += [(name, line) for line in lines]
        if len(lines) < len(stage):
            break
        best = best_of(found)["settings"]
    return listed, found


def best_of(found: Sequence[tuple[str, Line]]) -> Line:
    """The line of the lowest error; of equal ones the first."""
    return min((line for _, line in found), key=lambda line: line["error"])


def chosen(file: Path) -> dict[str, dict[str, float]]:
    """The settings of the lowest error of every cell that has been searched."""
    searched = {cell: search(cell, file)[1] for cell in CELLS if CELLS[cell][0] in CHOOSING}
    return {cell: dict(best_of(found)["settings"]) for cell, found in searched.items() if found}


def choices(file: Path) -> str:
    """A row for every rule that has been searched, and a column for every value."""
    columns = [("rate", rate) for rate in RATES] + [("sharpness", share) for share in SHARES]
    columns += [("softmax_rate", rate) for rate in RATES]
    names = {"rate": "rate", "sharpness": "sharpness ×", "softmax_rate": "softmax's rate"}
    head = ["data", "variant", *(f"{names[name]} {value:g}" for name, value in columns)]
    rows = []
    for cell in CELLS:
        found = search(cell, file)[1] if CELLS[cell][0] in CHOOSING else []
        if not found:
            continue
        best, cells = best_of(found), dict.fromkeys(columns, "–")
        for name, line in found:
            value = line["settings"][name]
            network = recipe_of(cell, {}, searched=False).network
            if name == "sharpness" and isinstance(network, LayerConfig):
                value /= network.sharpnesses[0]
            shown = f"{line['error']:.2f}"
            cells[name, value] = f"**{shown}**" if line is best else shown
        rows.append([*CELLS[cell], *cells.values()])
    return table(head, rows)


def wanted(options: argparse.Namespace) -> list[str]:
    """The cells that are asked for; ends the program if there are none."""
    names = [name for name, (data, _) in CELLS.items() if data in CHOOSING and options.group in ("", data)]
    names = [name for name in names if not options.only or CELLS[name][1] in options.only]
    if not names or options.seed != [0]:
        raise SystemExit(
            f"expected --group {', '.join(CHOOSING)}, --only rules of it, and seed 0 alone, found group "
            f"{options.group!r}, {options.only}, {options.seed}"
        )
    return names


def main() -> None:
    options = parser(__doc__ or "", str(FILE))[0].parse_args()
    if options.command == "show":
        present(choices(options.file), "choices", options.into)
        return
    cells, (place, parts) = wanted(options), map(int, options.part.split("/"))
    alone = argparse.Namespace(file=options.file, group="", only=None, part="1/1")
    for cell in cells[place % parts :: parts]:  # a cell's stages come one after another
        known = -1
        while len(listed := search(cell, options.file)[0]) > known:
            known = len(listed)
            run(listed, alone)


if __name__ == "__main__":
    main()

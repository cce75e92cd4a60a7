"""The rate and the sharpness of every rule of `ffrec sweep variants`, chosen on validation images.

    python benchmarks/variants.py run [--group mnist] [--only NAME …] [--part 1/2]
    python benchmarks/variants.py show [--into docs/variants.md]

The test set is never read. `run` trains every rule briefly, on a part of the images: with every rate, and
then at its best rate with a sharpness four times smaller and larger. It measures what is missing in
results/variants.jsonl, in one thread and bfloat16. `show` prints the errors on validation images, the lowest
of a rule in bold. `CHOSEN` of ffrec/studies/variants.py has the settings of that one, and a test compares the
two.
"""

import argparse
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from changes import Change, Line, measured, parser, run

from cli.report import put_between
from ffrec.config import Recipe
from ffrec.config.layers import LayerConfig
from ffrec.reports.tables import table
from ffrec.studies.variants import CELLS, recipe_of
from ffrec.tasks.task import Task

CHOOSING = {"mnist": 20_000, "fashion-mnist": 20_000, "cifar-10": 10_000}
"""Data sets on which settings are chosen, and how many images are learnt from for that."""
RATES = (3e-4, 1e-3, 3e-3, 1e-2)
SHARES = (0.25, 4.0)
"""Of the sharpness that a rule has in `VARIANTS`."""
SCALED = ("asge", "mono-forward")
"""Rules whose scores have a scale of their own."""
BRIEF: Mapping[str, Any] = {"epochs": 5, "validate_every": 5}


class Trial(Change):
    """The error of one rule on validation images, by what its row is compared by."""

    def made(self) -> Recipe:
        return recipe_of(self.recipe, {**self.shared, **self.settings}, chosen=False)

    def told(self, task: Task, record: Mapping[str, Any]) -> Line:
        del task
        found = record["validation"]
        return {"error": found.get("error_goodness", found["error_softmax"])}


def trial(cell: str, settings: Mapping[str, float]) -> Trial:
    """A rule with some settings, trained briefly."""
    change = ", ".join([CELLS[cell][1], *(f"{key} {value:g}" for key, value in settings.items())])
    return Trial(CELLS[cell][0], cell, BRIEF, change, settings, 0, CHOOSING[CELLS[cell][0]])


def trials(file: Path) -> Iterator[Trial]:
    """All that is to be measured: every rate, and each sharpness at the best rate once all rates are."""
    for cell in (name for name, (data, _) in CELLS.items() if data in CHOOSING):
        learns = "softmax_rate" if CELLS[cell][1] == "random" else "rate"
        rates = [trial(cell, {learns: rate}) for rate in RATES]
        yield from rates
        found, network = measured(rates, file), recipe_of(cell, {}, chosen=False).network
        if len(found) < len(rates) or CELLS[cell][1] in SCALED:
            continue
        if isinstance(network, LayerConfig):
            best, own = best_of(found)["settings"], network.sharpnesses[0]
            yield from (trial(cell, {**best, "sharpness": share * own}) for share in SHARES)


def best_of(lines: Sequence[Line]) -> Line:
    """The line of the lowest error; of equal ones the first."""
    return min(lines, key=lambda line: line["error"])


def rules(file: Path) -> dict[str, list[Line]]:
    """What has been measured, by the cell of the sweep."""
    found: dict[str, list[Line]] = {}
    for line in measured(list(trials(file)), file):
        data, variant = line["group"], line["change"].split(",")[0]
        found.setdefault(f"{data}-{variant}", []).append(line)
    return found


def choices(file: Path) -> str:
    """A row for every rule: its errors with each rate, and with each share of its sharpness."""
    head = ("data", "variant", *(f"rate {rate:g}" for rate in RATES), *(f"sharpness × {s:g}" for s in SHARES))
    rows = []
    for cell, lines in rules(file).items():
        best = best_of(lines)
        shown = [f"**{line['error']:.2f}**" if line is best else f"{line['error']:.2f}" for line in lines]
        rows.append([*CELLS[cell], *shown, *["–"] * (len(head) - 2 - len(shown))])
    return table(head, rows)


def main() -> None:
    options: argparse.Namespace = parser(__doc__ or "", "results/variants.jsonl")[0].parse_args()
    if options.command == "run":
        if options.seed != [0]:
            raise SystemExit(f"--seed: settings are chosen with seed 0, found {options.seed}: leave it out")
        run(list(trials(options.file)), options)  # rates
        run(list(trials(options.file)), options)  # and, now that the best ones are known, the rest
    elif options.into:
        put_between(options.into, "choices", choices(options.file))
    else:
        print(choices(options.file))


if __name__ == "__main__":
    main()

"""The grid of the sleep study: its cells, the recipe of each, and the tables they fill.

Source: Lică and Dinucu-Jianu 2023, tables 1 to 3.
"""

import difflib
import json
from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase
from itertools import product
from pathlib import Path
from typing import Any, Literal, NamedTuple

from ffrec.config import ConfigError, ImageRecipe
from ffrec.recipes import recipe
from ffrec.recipes.sleep import MASKS

DATA = ("mnist", "fashion-mnist", "digits")
NEGATIVES = {"uniform": "wrong label", "hybrid": "masks"}
EQUAL = tuple(f"{n}:{n}" for n in (1, 2, 4, 8, 16, 32, 64, 128))
DEPRIVED = tuple(f"{n}:1" for n in (2, 4, 8, 16))
PHASES = ("together", *EQUAL, *DEPRIVED, "epoch:epoch")
Rule = Literal["paper", "cure"]


class Cell(NamedTuple):
    """One run of a sweep: which images, which negative data, and how many batches awake : asleep."""

    data: str
    negatives: str
    phases: str

    @property
    def name(self) -> str:
        """What names its run folder."""
        return "-".join(self).replace(":", "-")


GRID = tuple(Cell(*cell) for cell in product(DATA, NEGATIVES, PHASES))


def cells(patterns: Sequence[str], rule: Rule) -> list[Cell]:
    """The cells whose names match any of the patterns, `*` standing for anything; without patterns those of
    the paper. Whole epochs belong to the cure alone. Raises ConfigError for a pattern that matches none."""
    there = [cell for cell in GRID if rule == "cure" or cell.phases != "epoch:epoch"]
    patterns = [pattern.replace(":", "-") for pattern in patterns]
    for pattern in patterns:
        if not any(fnmatchcase(cell.name, pattern) for cell in there):
            if any(fnmatchcase(cell.name, pattern) for cell in GRID):
                raise ConfigError(f"{pattern!r} is not of the paper: whole epochs need --cure")
            groups = [f"{data}-{negatives}-*" for data, negatives in product(DATA, NEGATIVES)]
            near = difflib.get_close_matches(pattern, groups + [cell.name for cell in there], n=1)
            hint = f"did you mean {near[0]!r}?" if near else f"choose from {', '.join(groups)}"
            raise ConfigError(f"no cell matches {pattern!r}: {hint}")
    asked = patterns or ("mnist-*", "fashion-mnist-*")
    return [cell for cell in there if any(fnmatchcase(cell.name, pattern) for pattern in asked)]


def recipe_of(cell: Cell, rule: Rule, settings: Mapping[str, Any]) -> ImageRecipe:
    """The recipe of a cell, validated at its end; `settings` go on top.

    Raises ConfigError for those that a cell decides itself."""
    fixed = sorted(settings.keys() & {"negatives", "wake", "sleep", "label"})
    if fixed:
        raise ConfigError(f"--set {fixed[0]}: every cell of a sweep has its own: use --only to choose cells")
    name = "sleep-" + cell.data.removesuffix("-mnist")
    made = recipe(f"{name}-cure" if rule == "cure" else name)
    assert isinstance(made, ImageRecipe)
    values: dict[str, Any] = {"negatives": cell.negatives}
    if cell.phases == "together":
        values |= {"wake": None, "sleep": 1, "wake_rate": None, "baseline": 0.0}
        if rule == "cure":  # a low rate, centring and scaling are for what is apart
            values |= {"rate": 1e-3, "centring": False, "scaling": 0.0}
    else:
        awake, asleep = cell.phases.split(":")
        values |= {"wake": number(awake), "sleep": number(asleep)}
        if rule == "cure" and cell.negatives == "hybrid":
            values |= MASKS
            if cell.data == "digits":  # of which there are few: the rate for wrong labels is better
                values["rate"] = values["wake_rate"] = made.training.rate
    made = made.override(values | dict(settings))
    if "validate_every" in settings:
        return made
    return made.override({"validate_every": made.training.epochs})  # tables need the end alone


def number(count: str) -> int | str:
    """A count of batches, or the word epoch."""
    return int(count) if count.isdecimal() else count


PAPER: dict[tuple[str, str], dict[str, float | None]] = {
    (data, negatives): dict(zip(("together", *EQUAL, *DEPRIVED), values, strict=True))
    for (data, negatives), values in {
        ("mnist", "uniform"): (97.7, 89, 88, 81, 63, 35, 11, 10, 9, 10, 9, None, None),
        ("mnist", "hybrid"): (96, 88, 84, 85, 78, 74, 49, 23, 11, 78, 75, 73, 10),
        ("fashion-mnist", "uniform"): (88.7, 73, 63, 59, 54, 20, 14, 10, 10, 56, 47, 14, 10),
        ("fashion-mnist", "hybrid"): (86, 56, 58, 53, 50, 45, 36, 30, 22, 55, 54, 52, 49),
    }.items()
}
"""Test accuracy in percent; None where no learning was seen. Lică and Dinucu-Jianu 2023, tables 1 to 3."""

TABLES = {
    "Table 1: equal phases, batches awake : batches asleep": (*EQUAL, "epoch:epoch"),
    "Table 2: deprived of sleep, batches awake : batches asleep": ("1:1", *DEPRIVED),
    "Table 3: not separated": ("together",),
}


def reached(sweep: Path) -> dict[Cell, float]:
    """Test accuracy in percent of every finished run of a sweep's folder, by label goodness."""
    found = {}
    for cell in GRID:
        for path in sweep.glob(f"{cell.name}-[0-9]*/result.json"):
            found[cell] = 100 - json.loads(path.read_text())["test"]["error_goodness"]
    return found


def tables(found: Mapping[Cell, float]) -> str:
    """The paper's tables in Markdown, where a cell has been run: our test accuracy in percent, the paper's in
    brackets."""
    parts = []
    for title, columns in TABLES.items():
        if not any(cell.phases in columns for cell in found):
            continue
        phases = [p for p in columns if p != "epoch:epoch" or any(cell.phases == p for cell in found)]
        lines = [
            title,
            "",
            f"| data | negative data | {' | '.join(phases)} |",
            "|" + "---|" * (2 + len(phases)),
        ]
        for data, negatives in product(DATA, NEGATIVES):
            if any(cell[:2] == (data, negatives) for cell in found):
                values = [entry(found, Cell(data, negatives, phase)) for phase in phases]
                lines.append(f"| {data} | {NEGATIVES[negatives]} | {' | '.join(values)} |")
        parts.append("\n".join(lines))
    return "\n\n".join(parts)


def entry(found: Mapping[Cell, float], cell: Cell) -> str:
    """Our accuracy and the paper's; a dash where there is none."""
    ours = f"{found[cell]:.1f}" if cell in found else "–"
    told = PAPER.get(cell[:2], {})
    if cell.phases not in told:
        return ours
    paper = told[cell.phases]
    return f"{ours} ({'–' if paper is None else f'{paper:g}'})"

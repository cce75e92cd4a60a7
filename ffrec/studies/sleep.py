"""The grid of the sleep study: its cells, the recipe of each, and the tables they fill.

Source: Lică and Dinucu-Jianu 2023, tables 1 to 3.
"""

import difflib
from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase
from itertools import product
from pathlib import Path
from typing import Any, Literal, NamedTuple

from ffrec.config import ConfigError, ImageRecipe
from ffrec.recipes import recipe
from ffrec.recipes.sleep import MASKS
from ffrec.storage.files import RunError
from ffrec.storage.run_folder import RunFolder

DATA = ("mnist", "fashion-mnist", "digits")
NEGATIVES = {"uniform": "wrong label", "hybrid": "masks"}
EQUAL = tuple(f"{n}:{n}" for n in (1, 2, 4, 8, 16, 32, 64, 128))
DEPRIVED = tuple(f"{n}:1" for n in (2, 4, 8, 16))
PHASES = ("together", *EQUAL, *DEPRIVED, "epoch:epoch")
Rule = Literal["paper", "cure"]


class Cell(NamedTuple):
    """One run of a sweep: which images, which negative data, and the phases, wake batches : sleep batches."""

    data: str
    negatives: str
    phases: str

    @property
    def name(self) -> str:
        """What names its run folder."""
        return "-".join(self).replace(":", "-")


GRID = tuple(Cell(*cell) for cell in product(DATA, NEGATIVES, PHASES))


def cells(patterns: Sequence[str], rule: Rule) -> list[Cell]:
    """The cells whose names match any of the patterns, where `*` stands for anything.

    Without patterns these are the paper's cells. Phases of a whole epoch belong to the cure alone. Raises
    ConfigError for a pattern that matches no cell.
    """
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
    """The recipe of a cell with `settings` on top, validated after its last epoch.

    Raises ConfigError for settings that a cell decides itself.
    """
    fixed = sorted(settings.keys() & {"negatives", "wake", "sleep", "label"})
    if fixed:
        raise ConfigError(f"--set {fixed[0]}: every cell of a sweep has its own: use --only to choose cells")
    name = "sleep-" + cell.data.removesuffix("-mnist")
    made = recipe(f"{name}-cure" if rule == "cure" else name)
    assert isinstance(made, ImageRecipe)
    values: dict[str, Any] = {"negatives": cell.negatives}
    if cell.phases == "together":
        values |= {"wake": None, "sleep": 1, "wake_rate": None, "baseline": 0.0}
        if rule == "cure":  # the low rate, centring and scaling are for separate phases
            values |= {"rate": 1e-3, "centring": False, "scaling": 0.0}
    else:
        wake, sleep = cell.phases.split(":")
        values |= {"wake": number(wake), "sleep": number(sleep)}
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
    "Table 1: equal phases, wake batches : sleep batches": (*EQUAL, "epoch:epoch"),
    "Table 2: deprived of sleep, wake batches : sleep batches": ("1:1", *DEPRIVED),
    "Table 3: not separated": ("together",),
}


def reached(sweep: Path) -> dict[Cell, float]:
    """Test accuracy in percent, by goodness, of every finished run in a sweep's folder.

    Raises RunError, naming the file, if a result is damaged.
    """
    return {
        cell: 100 - error_of(path)
        for cell in GRID
        for path in sorted(sweep.glob(f"{cell.name}-[0-9]*/result.json"))
    }


def error_of(path: Path) -> float:
    """The test error by goodness that a result.json holds; raises RunError if it is damaged."""
    test = (RunFolder(path.parent).read_json(path.name) or {}).get("test")
    error = test.get("error_goodness") if isinstance(test, dict) else None
    if not isinstance(error, int | float):
        raise RunError(f"{path} is damaged: it should hold a number as test.error_goodness: restore it")
    return error


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
    stated = PAPER.get(cell[:2], {})
    if cell.phases not in stated:
        return ours
    paper = stated[cell.phases]
    return f"{ours} ({'–' if paper is None else f'{paper:g}'})"

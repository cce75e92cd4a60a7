"""Tables of runs on corrupted images, from their `robustness.json`."""

from collections.abc import Sequence
from typing import Annotated, Self

from pydantic import Field, FiniteFloat, model_validator

from ffrec.reports.measures.measured import Measured
from ffrec.reports.tables import table
from ffrec.storage.files import RunError
from ffrec.storage.schemas import Count, Open, Word

FILE = "robustness.json"
CLEAN, MEAN = "clean", "mean"
ITERATED = {"error_by_iteration": "of that iteration alone", "error_so_far": "so far"}
"""Lists of errors by iteration, and whose goodness they are by."""


class Errors(Open):
    error_softmax: FiniteFloat
    error_goodness: FiniteFloat = 0.0
    error_by_iteration: list[FiniteFloat] = Field(default=[])
    error_so_far: list[FiniteFloat] = Field(default=[])


class Robustness(Open):
    """robustness.json."""

    seed: Count
    epochs: Count
    images: Count
    severity: Count
    window: Annotated[list[Count], Field(min_length=2, max_length=2)]
    errors: dict[Word, Errors]

    @model_validator(mode="after")
    def both(self) -> Self:
        if not {CLEAN, MEAN} <= self.errors.keys():
            raise ValueError(f"errors: expected {CLEAN} and {MEAN}")
        return self


def check_alike(groups: Sequence[Measured]) -> None:
    """Raise RunError unless all runs were measured on images of one severity."""
    found = sorted({str(run["severity"]) for group in groups for run in group.found})
    if len(found) > 1:
        raise RunError(
            f"expected runs that were measured at one severity, found {' and '.join(found)}: measure them "
            "again, together"
        )


def robustness_tables(groups: Sequence[Measured]) -> str:
    """Errors on clean and on corrupted images, a column for each group of runs, and by iteration a table for
    each group that iterates. Raises RunError for runs of several severities."""
    check_alike(groups)
    return "\n\n".join([errors_table(groups), *filter(None, map(iterations_table, groups))])


def measure_of(group: Measured) -> str:
    """What a group is compared by: its goodness, or the softmax of networks without."""
    return "error_goodness" if "error_goodness" in group.first["errors"][CLEAN] else "error_softmax"


def errors_table(groups: Sequence[Measured]) -> str:
    """A row for clean images, for every corruption, and for the mean of those; the errors in percent."""
    how = {"error_goodness": "by goodness", "error_softmax": "by softmax"}
    head = ["test images", *(f"{group.title}, {how[measure_of(group)]}" for group in groups)]
    rows = [
        [
            f"mean of the {len(names(groups)) - 2}" if name == MEAN else name.replace("_", " "),
            *(group.spread("errors", name, measure_of(group)) for group in groups),
        ]
        for name in names(groups)
    ]
    return table(head, rows)


def names(groups: Sequence[Measured]) -> list[str]:
    """Clean, the corruptions in their order, and their mean."""
    return [CLEAN, *(name for name in groups[0].first["errors"] if name not in (CLEAN, MEAN)), MEAN]


def iterations_table(group: Measured) -> str:
    """Errors against iterations, by the goodness of one iteration alone, and by the mean so far of those from
    the window's first on; "" for networks that do not iterate."""
    first, last = group.first["window"]
    count = len(group.mean("errors", CLEAN, "error_by_iteration"))
    if count < 2:
        return ""
    rows = []
    for t in range(1, count + 1):
        cells = [f"{t}{' (the last of the evaluation window)' * (t == last)}"]
        for kind in ITERATED:
            place = t - 1 if kind == "error_by_iteration" else t - first
            for name in (CLEAN, MEAN):
                cells.append(group.spread("errors", name, kind, place) if place >= 0 else "–")
        rows.append(cells)
    head = ["iteration"]
    for how in ITERATED.values():
        head += [f"clean, by the goodness {how}", f"corrupted, by the goodness {how}"]
    return f"{group.title}: errors by iteration, in %\n\n{table(head, rows)}"

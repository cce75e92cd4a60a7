"""The table of what runs gain by several views of an image, from their `views.json`."""

from collections.abc import Sequence
from typing import Annotated

from pydantic import Field, FiniteFloat

from ffrec.reports.measures.measured import Measured
from ffrec.reports.tables import table
from ffrec.storage.files import RunError
from ffrec.storage.schemas import Count, Open

FILE = "views.json"
HEAD = (
    "run",
    "images",
    "views",
    "error by goodness, %",
    "by softmax, %",
    "by both, %",
    "milliseconds an image",
)
ERRORS = ("error_goodness", "error_softmax", "error_together")


class Seen(Open):
    views: Annotated[int, Field(ge=1)]
    error_softmax: FiniteFloat
    error_goodness: FiniteFloat | None = None
    error_together: FiniteFloat | None = None
    milliseconds: FiniteFloat


class Views(Open):
    """views.json."""

    seed: Count
    epochs: Count
    pixels: Count
    mirror: bool
    validation: list[Seen] = Field(default=[])
    test: Annotated[list[Seen], Field(min_length=1)]


def views_table(groups: Sequence[Measured]) -> str:
    """A row for every number of views of validation and of test images, mean ± standard deviation over
    seeds. Raises RunError for seeds that were measured with different views."""
    for group in groups:
        shifts = sorted({found["pixels"] for found in group.found})
        if len(shifts) > 1:
            raise RunError(
                f"{group.title}: expected seeds with the same views, found {shifts[0]} and {shifts[1]} "
                f"pixels: `ffrec views RUN --pixels {shifts[1]}` measures again"
            )
    return table(HEAD, [row for group in groups for row in rows(group)])


def rows(group: Measured) -> list[list[str]]:
    """The rows of one group of runs."""
    return [
        [
            group.title,
            part,
            str(seen["views"]),
            *(group.spread(part, place, error) for error in ERRORS),
            group.spread(part, place, "milliseconds", digits=1),
        ]
        for part in ("validation", "test")
        for place, seen in enumerate(group.first.get(part, []))
    ]

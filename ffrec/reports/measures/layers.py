"""The table of what each layer of a run contributes, from their `layers.json`."""

from collections.abc import Sequence
from typing import Annotated

from pydantic import Field, FiniteFloat

from ffrec.reports.measures.measured import Measured
from ffrec.reports.tables import table
from ffrec.storage.schemas import Count, Open

FILE = "layers.json"
HEAD = (
    "run",
    "images",
    "layer",
    "error of it alone, %",
    "of the layers up to it, %",
    "of those that predict, %",
)

Errors = Annotated[list[FiniteFloat], Field(min_length=1)]


class Part(Open):
    alone: Errors
    up_to: Errors
    error_goodness: FiniteFloat


class Layers(Open):
    """layers.json."""

    seed: Count
    epochs: Count
    predict: Annotated[list[Annotated[int, Field(ge=1)]], Field(min_length=1)]
    validation: Part | None = None
    test: Part


def layers_table(groups: Sequence[Measured]) -> str:
    """A row for every layer, with validation and with test images, mean ± standard deviation over seeds."""
    return table(HEAD, [row for group in groups for row in rows(group)])


def rows(group: Measured) -> list[list[str]]:
    """The rows of one group of runs; the last layer that predicts has the error of all that do."""
    predict = group.first["predict"]
    return [
        [
            group.title,
            part,
            f"{level}{'*' if level in predict else ''}",
            group.spread(part, "alone", level - 1),
            group.spread(part, "up_to", level - 1),
            group.spread(part, "error_goodness") if level == predict[-1] else "",
        ]
        for part in ("validation", "test")
        for level in range(1, 1 + len(group.mean(part, "alone")))
    ]

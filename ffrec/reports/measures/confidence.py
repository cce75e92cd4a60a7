"""Tables of how sure runs may be, from their `confidence.json`."""

from collections.abc import Sequence
from typing import Annotated, Self

from pydantic import Field, FiniteFloat, model_validator

from ffrec.reports.measures.measured import Measured
from ffrec.reports.tables import table
from ffrec.storage.schemas import Count, Number, Open, Word

FILE = "confidence.json"


class ChosenOn(Open):
    part: Word
    images: Count


class Bin(Open):
    confidence: FiniteFloat
    right: FiniteFloat
    cases: Count


class Probabilities(Open):
    error: FiniteFloat
    fitted_on: Word
    bins: list[Bin]


class Candidates(Open):
    labels: Count
    error: FiniteFloat
    label_iterations: FiniteFloat


class Exit(Open):
    share: FiniteFloat
    iterations: FiniteFloat
    error: FiniteFloat


class Refused(Open):
    share: FiniteFloat
    refused: FiniteFloat
    error: Number


class Curve(Open):
    refused: Annotated[list[FiniteFloat], Field(min_length=1)]
    error: list[FiniteFloat]


class Rejection(Open):
    at: list[Refused]
    curve: Curve


class Confidence(Open):
    """confidence.json."""

    seed: Count
    epochs: Count
    images: Annotated[int, Field(ge=1)]
    classes: Count
    window: Annotated[list[Count], Field(min_length=2, max_length=2)]
    chosen_on: ChosenOn
    probabilities: dict[Word, Probabilities]
    candidates: list[Candidates] = Field(default=[])
    early_exit: list[Exit] = Field(default=[])
    rejection: Rejection

    @model_validator(mode="after")
    def both(self) -> Self:
        if not {"predict_proba", "softmax"} <= self.probabilities.keys():
            raise ValueError("probabilities: expected predict_proba and softmax")
        return self


def confidence_tables(groups: Sequence[Measured]) -> str:
    """For each group of runs a heading, a sentence that says what was chosen on which images, and its
    tables."""
    return "\n\n".join("\n\n".join(part for part in parts(group) if part) for group in groups)


def parts(group: Measured) -> list[str]:
    """What is said of one group."""
    chosen = group.first["chosen_on"]
    learnt = ", which the run has learnt from" if chosen["part"] == "training" else ""
    return [
        f"### {group.title}",
        f"Errors are in % of {group.first['images']} test images. Margins and thresholds were chosen on "
        f"{chosen['images']} {chosen['part']} images{learnt}.",
        probabilities_table(group),
        reliability_table(group),
        candidates_table(group),
        exit_table(group),
        rejection_table(group),
    ]


def probabilities_table(group: Measured) -> str:
    """Error, calibration and ranking of each kind of probability."""
    head = ["probabilities", "temperature", "fitted on", "error, %", "expected calibration error, %"]
    head += ["area under risk–coverage, %", "best possible area, %"]
    digits = {"error": 2, "expected_calibration_error": 2, "area": 3, "best_area": 3}
    rows = [
        [
            name,
            group.spread("probabilities", name, "temperature", digits=4),
            kind["fitted_on"],
            *(group.spread("probabilities", name, key, digits=count) for key, count in digits.items()),
        ]
        for name, kind in group.first["probabilities"].items()
    ]
    return table(head, rows)


def reliability_table(group: Measured) -> str:
    """Confidence and share right of `predict_proba` in every bin; of one run, as others have other bins."""
    head = ["confidence of `predict_proba`, mean of the bin, %", "images", "right, %"]
    bins = group.first["probabilities"]["predict_proba"]["bins"] if len(group.found) == 1 else []
    rows = [[f"{100 * b['confidence']:.1f}", str(b["cases"]), f"{100 * b['right']:.1f}"] for b in bins]
    return table(head, rows)


def candidates_table(group: Measured) -> str:
    """Error and cost against the number of labels that are tried."""
    head = ["labels tried", "error, %", "labels × iterations an image", "milliseconds an image"]
    rows = [
        [
            f"{one['labels']}{' (the softmax alone)' * (one['labels'] == 1)}",
            group.spread("candidates", row, "error"),
            str(one["label_iterations"]),
            group.spread("candidates", row, "milliseconds", digits=3),
        ]
        for row, one in enumerate(group.first.get("candidates", []))
    ]
    return table(head, rows)


def exit_table(group: Measured) -> str:
    """Error against iterations spent."""
    first, last = group.first["window"]
    head = [f"to go on after iteration {first}", "margin", "error, %", f"iterations an image, of {last}"]
    head.append("milliseconds an image")
    rows = [
        [
            f"{one['share']:g} %",
            group.spread("early_exit", row, "margin", digits=4),
            group.spread("early_exit", row, "error"),
            group.spread("early_exit", row, "iterations"),
            group.spread("early_exit", row, "milliseconds", digits=3),
        ]
        for row, one in enumerate(group.first.get("early_exit", []))
    ]
    return table(head, rows)


def rejection_table(group: Measured) -> str:
    """Error on what is kept against the share refused."""
    head = ["to refuse", "refused by the threshold, %", "error on the rest, %"]
    head.append("error if just that share of the test images is refused, %")
    rows = [
        [
            f"{one['share']:g} %",
            *(group.spread("rejection", "at", row, key) for key in ("refused", "error", "by_rank")),
        ]
        for row, one in enumerate(group.first["rejection"]["at"])
    ]
    return table(head, rows)

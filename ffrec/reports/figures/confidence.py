"""How sure a run may be, and what it saves or refuses by that."""

from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from ffrec.reports.figures.canvas import BAD, GOOD, QUIET, NothingToDraw
from ffrec.reports.measures.confidence import FILE, Confidence
from ffrec.reports.measures.measured import stored
from ffrec.reports.summary import Summary


def confidence(run: Summary) -> Figure:
    """Reliability of the probabilities, and the error against labels tried, iterations spent and images
    refused; raises NothingToDraw for a run that `ffrec confidence` has not measured."""
    found = stored(run, FILE, Confidence)
    if found is None:
        raise NothingToDraw(f"{run.path} has no {FILE}: `ffrec confidence {run.path}` makes one")
    panels = [draw_reliability]
    panels += [draw_candidates] if found.get("candidates") else []
    panels += [draw_exits] if found.get("early_exit") else []
    panels.append(draw_rejection)
    figure = Figure(figsize=(4.4 * len(panels), 4.2), layout="constrained")
    for draw, axes in zip(panels, figure.subplots(1, len(panels)), strict=True):
        draw(axes, found)
        axes.grid(alpha=0.3)
    return figure


def draw_reliability(axes: Axes, found: dict[str, Any]) -> None:
    """The share right against the confidence, in bins; the area of a mark grows with the cases in it."""
    axes.plot([0, 100], [0, 100], ":", color=QUIET, label="as right as sure")
    for name, colour in {"predict_proba": GOOD, "softmax": BAD}.items():
        bins = found["probabilities"][name]["bins"]
        sure, right = ([100 * b[key] for b in bins] for key in ("confidence", "right"))
        sizes = [12 + 150 * b["cases"] / found["images"] for b in bins]
        axes.plot(sure, right, "-", color=colour, alpha=0.5)
        axes.scatter(sure, right, s=sizes, color=colour, label=name)
    axes.set(xlabel="mean confidence, %", ylabel="right, %", title="Reliability")
    axes.legend()


def draw_candidates(axes: Axes, found: dict[str, Any]) -> None:
    """The error against the number of labels tried."""
    labels, errors = ([one[key] for one in found["candidates"]] for key in ("labels", "error"))
    axes.plot(labels, errors, "o-", color=GOOD)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set(xlabel="labels tried", ylabel="test error, %", title="The softmax’s first labels")


def draw_exits(axes: Axes, found: dict[str, Any]) -> None:
    """The error against the iterations spent."""
    spent, errors = ([one[key] for one in found["early_exit"]] for key in ("iterations", "error"))
    axes.plot(spent, errors, "o-", color=GOOD)
    axes.set(xlabel="mean iterations an image", ylabel="test error, %", title="Stopping once ahead")


def draw_rejection(axes: Axes, found: dict[str, Any]) -> None:
    """The error on what is kept against the share refused, along the curve and at the thresholds."""
    rejection = found["rejection"]
    curve, at = rejection["curve"], [one for one in rejection["at"] if one["error"] is not None]
    axes.plot(curve["refused"], curve["error"], "-", color=GOOD, label="the least sure refused")
    refused, errors = ([one[key] for one in at] for key in ("refused", "error"))
    axes.plot(refused, errors, "o", color=BAD, label="thresholds chosen beforehand")
    axes.set(xlabel="refused, %", ylabel="error on the rest, %", title="Refusing what is unsure")
    axes.set_xlim(-0.5, curve["refused"][-1] + 0.5)
    axes.set_ylim(bottom=0)
    axes.legend()

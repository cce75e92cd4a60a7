"""A search in one picture: the error of every trial, and against every setting."""

import math
from collections.abc import Mapping
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullLocator
from optuna.distributions import BaseDistribution, CategoricalDistribution

from ffrec.reports.figures.canvas import BAD, GOOD, QUIET, NothingToDraw, plain_ticks
from ffrec.studies.tune.table import distributions, measure, tried

COLUMNS = 3  # of panels for settings


def picture(search: Mapping[str, Any], importances: Mapping[str, float]) -> Figure:
    """The error by trial with the best so far, and one panel a setting, the most important first.

    Raises NothingToDraw without a complete trial.
    """
    if not tried(search):
        raise NothingToDraw("expected a complete trial, found none: see the reasons above")
    drawn = distributions(search)
    names = [*importances, *(name for name in drawn if name not in importances)]
    lines = math.ceil(len(names) / COLUMNS)
    figure = Figure(figsize=(10, 3.2 + 2.5 * lines), layout="constrained")
    grid = figure.add_gridspec(1 + lines, COLUMNS)
    by_trial(figure.add_subplot(grid[0, :]), search)
    for place, name in enumerate(names):
        axes = figure.add_subplot(grid[1 + place // COLUMNS, place % COLUMNS])
        share = f" (importance {importances[name]:.2f})" if name in importances else ""
        axes.set_title(name + share)
        by_value(axes, search, name, drawn[name])
    return figure


def by_trial(axes: Axes, search: Mapping[str, Any]) -> None:
    """The validation error of every trial; the last one of those that were pruned."""
    complete = tried(search)
    pruned = [t for t in search["trials"] if t["state"] == "pruned" and t["validation"]]
    numbers, values = [t["number"] for t in complete], [t["value"] for t in complete]
    best = [min(values[: place + 1]) for place in range(len(values))]
    ends = {t["number"]: list(t["validation"].values())[-1] for t in pruned}
    last = {number: value for number, value in ends.items() if value is not None}  # null is not finite
    axes.plot(list(last), list(last.values()), "x", color=QUIET, label="pruned, at its last validation")
    axes.plot(numbers, values, "o", color=GOOD, label="complete")
    axes.step(numbers, best, where="post", color=BAD, label="best so far")
    axes.set(xlabel="trial", ylabel=measure(search))
    scale(axes, [*values, *last.values()])
    axes.legend()


def by_value(axes: Axes, search: Mapping[str, Any], name: str, drawn: BaseDistribution) -> None:
    """The error of complete trials against one setting."""
    found = [(t["settings"][name], t["value"]) for t in tried(search)]
    if isinstance(drawn, CategoricalDistribution):
        choices = [t["params"][name] for t in tried(search)]
        axes.plot([drawn.choices.index(c) for c in choices], [v for _, v in found], "o", color=GOOD)
        axes.set_xticks(range(len(drawn.choices)), [str(choice).strip('"') for choice in drawn.choices])
        axes.set_xlim(-0.5, len(drawn.choices) - 0.5)
    else:
        axes.plot([x for x, _ in found], [v for _, v in found], "o", color=GOOD)
        if getattr(drawn, "log", False):
            axes.set_xscale("log")
            axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
            axes.xaxis.set_major_formatter("{x:g}")
            axes.xaxis.set_minor_locator(NullLocator())
    scale(axes, [value for _, value in found])


def scale(axes: Axes, values: list[float]) -> None:
    """A logarithmic axis for errors, and a grid; a linear one where an error is zero."""
    if min(values) > 0:
        axes.set_yscale("log")
        plain_ticks(axes)
    axes.grid(alpha=0.3)

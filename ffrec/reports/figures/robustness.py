"""Runs on corrupted images, side by side."""

from collections.abc import Sequence
from textwrap import fill

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from ffrec.reports.figures.canvas import NothingToDraw, plain_ticks
from ffrec.reports.measures.measured import Measured, stored
from ffrec.reports.measures.robustness import CLEAN, FILE, MEAN, Robustness, check_alike, measure_of, names
from ffrec.reports.summary import Summary

LETTERS = 110  # of a line of the legend
Colours = Sequence[tuple[float, ...]]


def robustness(run: Summary) -> Figure:
    """`compared` of one run; raises NothingToDraw for one that `ffrec robustness` has not measured."""
    found = stored(run, FILE, Robustness)
    if found is None:
        raise NothingToDraw(f"{run.path} has no {FILE}: `ffrec robustness {run.path}` makes one")
    return compared([Measured(run.name, (found,))])


def compared(groups: Sequence[Measured]) -> Figure:
    """Errors on clean and on corrupted images, and errors against iterations, one colour for each group.

    Raises RunError for runs of several severities.
    """
    check_alike(groups)
    iterated = [len(group.mean("errors", CLEAN, "error_by_iteration")) > 1 for group in groups]
    colours: Colours = [tuple(colour) for colour in colormaps["tab10"](np.arange(len(groups)) % 10)]
    widths = [2.2, 1.0] if any(iterated) else [1.0]
    figure = Figure(figsize=(5 * sum(widths), 5), layout="constrained")
    panels = figure.subplots(1, len(widths), width_ratios=widths, squeeze=False)[0]
    draw_errors(panels[0], groups, colours)
    if any(iterated):
        draw_iterations(panels[1], groups, colours)
    return figure


def draw_errors(axes: Axes, groups: Sequence[Measured], colours: Colours) -> None:
    """Bars of the errors on every set of images."""
    shown, width = names(groups), 0.8 / len(groups)
    for number, (group, colour) in enumerate(zip(groups, colours, strict=True)):
        values = [group.values("errors", name, measure_of(group)) for name in shown]
        heights = [float(np.mean(found)) for found in values]
        errors = [float(np.std(found, ddof=1)) if len(found) > 1 else 0.0 for found in values]
        places = np.arange(len(shown)) + (number - (len(groups) - 1) / 2) * width
        axes.bar(
            places, heights, width, yerr=errors if any(errors) else None, color=colour, label=group.title
        )
    axes.set_xticks(range(len(shown)), [name.replace("_", "\n") for name in shown], fontsize=8)
    severity = groups[0].first["severity"]
    axes.set(ylabel="test error, %", title=f"Errors on corrupted test images, severity {severity}")
    axes.set_ylim(top=axes.get_ylim()[1] * (1 + 0.09 * len(groups)))  # room for the legend above the bars
    axes.legend([fill(group.title, LETTERS) for group in groups], fontsize=7, loc="upper left")
    axes.grid(alpha=0.3, axis="y")


def draw_iterations(axes: Axes, groups: Sequence[Measured], colours: Colours) -> None:
    """Errors against iterations: by one iteration's goodness (dotted), and by the mean so far (lines)."""
    for group, colour in zip(groups, colours, strict=True):
        first = group.first["window"][0]
        for name, mark in {CLEAN: "o", MEAN: "s"}.items():
            alone = group.mean("errors", name, "error_by_iteration")
            so_far = group.mean("errors", name, "error_so_far")
            if len(alone) < 2:
                continue
            what = f"{group.name}, {'corrupted' if name == MEAN else name}"
            axes.plot(range(1, len(alone) + 1), alone, ":", color=colour)
            axes.semilogy(
                range(first, first + len(so_far)), so_far, f"{mark}-", color=colour, label=what, markersize=4
            )
    axes.xaxis.set_major_locator(MaxNLocator(10, integer=True))
    axes.set(
        xlabel="iteration", ylabel="test error, %", title="One iteration’s goodness (dotted), the mean so far"
    )
    plain_ticks(axes)
    axes.legend(fontsize=8)
    axes.grid(alpha=0.3, which="both")

"""Test accuracy against the length of equal wake and sleep phases."""

import math
from collections.abc import Mapping

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ffrec.reports.figures.canvas import BAD, GOOD, NothingToDraw
from ffrec.studies.sleep import DATA, EQUAL, NEGATIVES, PAPER, Cell

LENGTHS = [int(phases.split(":")[0]) for phases in EQUAL]
CHANCE = 10  # percent, of ten classes


def phase_lengths(found: Mapping[Cell, float]) -> Figure:
    """One panel for each data set of a sweep, one line for each kind of negative data, the paper's dashed.

    Raises NothingToDraw without cells of equal phases.
    """
    sets = [data for data in DATA if any(cell.data == data and cell.phases in EQUAL for cell in found)]
    if not sets:
        raise NothingToDraw("expected cells of equal phases, found none: run `ffrec sweep sleep` first")
    figure = Figure(figsize=(5.5 * len(sets), 4.2), layout="constrained")
    panels = figure.subplots(1, len(sets), squeeze=False).flat
    for axes, data in zip(panels, sets, strict=True):
        for negatives, colour in zip(NEGATIVES, (GOOD, BAD), strict=True):
            draw_lines(axes, found, data, negatives, colour)
        axes.axhline(CHANCE, color="black", lw=0.8, ls=":")
        axes.set_xscale("log", base=2)
        axes.set_xticks(LENGTHS, [str(length) for length in LENGTHS])
        axes.set(title=data, xlabel="wake batches = sleep batches", ylabel="test accuracy, %", ylim=(0, 100))
        axes.grid(alpha=0.3)
        axes.legend()
    return figure


def draw_lines(axes: Axes, found: Mapping[Cell, float], data: str, negatives: str, colour: str) -> None:
    """Our line, and the paper's if it has one."""
    cells = {length: Cell(data, negatives, phases) for length, phases in zip(LENGTHS, EQUAL, strict=True)}
    ours = {length: found[cell] for length, cell in cells.items() if cell in found}
    if ours:
        axes.plot(list(ours), list(ours.values()), "o-", color=colour, label=f"{NEGATIVES[negatives]}, ours")
    if paper := PAPER.get((data, negatives)):
        values = [math.nan if (stated := paper[phases]) is None else stated for phases in EQUAL]
        axes.plot(LENGTHS, values, "s--", color=colour, alpha=0.6, label=f"{NEGATIVES[negatives]}, paper")

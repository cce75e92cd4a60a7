"""Pictures of days and nights: what a run's layers do through them, and what their length costs."""

from collections.abc import Mapping
from itertools import product

from matplotlib.figure import Figure

from ffrec.reports.canvas import BAD, GOOD, NothingToDraw
from ffrec.storage.checkpoint import RunFolder
from ffrec.studies.sleep import DATA, EQUAL, NEGATIVES, PAPER, Cell

SHOWN = 3  # days and nights in a picture


def days(run: RunFolder) -> Figure:
    """Mean goodness, by layer, of the same data, positive and negative, in a run's first days and nights."""
    records, training = run.metrics(), run.config["recipe"]["training"]
    watched = [seen for record in records for seen in record.get("goodness", [])]
    if not watched:
        raise NothingToDraw(f"{run.path} has no days and nights to look into")
    epoch = records[0]["updates"]
    awake, asleep = (epoch if n == "epoch" else n for n in (training["awake"], training["asleep"]))
    step = watched[0]["update"]
    last = max(SHOWN * (awake + asleep), 8 * step)  # short ones are gone between two looks
    watched = [seen for seen in watched if seen["update"] <= last]
    last = watched[-1]["update"]
    layers = len(watched[0]["positive"])
    figure = Figure(figsize=(4.5 * layers, 3.6), layout="constrained")
    for layer, axes in enumerate(figure.subplots(1, layers, squeeze=False).flat):
        for key, colour, style in (("positive", GOOD, "o-"), ("negative", BAD, "s--")):
            goodness = [seen[key][layer] for seen in watched]
            axes.plot([seen["update"] for seen in watched], goodness, style, color=colour, label=key, ms=3)
        if asleep >= step:
            for start in range(awake, last, awake + asleep):
                axes.axvspan(start, min(start + asleep, last), color="black", alpha=0.1, lw=0)
        axes.set(title=f"hidden layer {layer + 1}", xlabel="batches", ylabel="mean goodness")
        axes.grid(alpha=0.3)
    axes.legend()
    when = "by day and (shaded) by night" if asleep >= step else "once in many days and nights"
    figure.suptitle(f"Goodness {when}: {awake} batches awake, {asleep} asleep")
    return figure


def phase_lengths(found: Mapping[Cell, float]) -> Figure:
    """Test accuracy against the length of equal phases; one panel for each data set of a sweep, one line for
    each source of negative data, the paper's dashed."""
    sets = [data for data in DATA if any(cell.data == data and cell.phases in EQUAL for cell in found)]
    if not sets:
        raise NothingToDraw("expected cells of equal phases, found none: run `ffrec sweep sleep` first")
    lengths = [int(phases.split(":")[0]) for phases in EQUAL]
    figure = Figure(figsize=(5.5 * len(sets), 4.2), layout="constrained")
    panels = list(figure.subplots(1, len(sets), squeeze=False).flat)
    for (axes, data), (negatives, colour) in product(
        zip(panels, sets, strict=True), zip(NEGATIVES, (GOOD, BAD), strict=True)
    ):
        ours = {
            length: found[cell]
            for length, phases in zip(lengths, EQUAL, strict=True)
            if (cell := Cell(data, negatives, phases)) in found
        }
        if ours:
            axes.plot(ours.keys(), ours.values(), "o-", color=colour, label=f"{NEGATIVES[negatives]}, ours")
        told = PAPER.get((data, negatives))
        if told:
            paper = [told[phases] for phases in EQUAL]
            axes.plot(lengths, paper, "s--", color=colour, alpha=0.6, label=f"{NEGATIVES[negatives]}, paper")
        axes.axhline(10, color="black", lw=0.8, ls=":")
        axes.set_xscale("log", base=2)
        axes.set_xticks(lengths, [str(length) for length in lengths])
        axes.set(
            title=data, xlabel="batches awake = batches asleep", ylabel="test accuracy, %", ylim=(0, 100)
        )
        axes.grid(alpha=0.3)
        axes.legend()
    return figure

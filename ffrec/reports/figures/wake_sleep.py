"""Goodness through a run's first wake and sleep phases."""

from matplotlib.figure import Figure

from ffrec.reports.figures.canvas import BAD, GOOD, NothingToDraw
from ffrec.reports.summary import Summary

CYCLES = 3  # of a wake and a sleep phase, in a figure
POINTS = 8  # at least, where phases are shorter than the distance of two measurements


def wake_sleep(run: Summary) -> Figure:
    """Mean goodness, by layer, of the same positive and negative data through the first phases of a run."""
    trace = [point for record in run.metrics for point in record.get("goodness", [])]
    if not trace:
        raise NothingToDraw(f"{run.path} has no wake and sleep phases to draw")
    epoch = run.metrics[0]["updates"]
    wake, sleep = (epoch if n == "epoch" else n for n in (run.setting("wake"), run.setting("sleep")))
    distance = trace[0]["update"]
    end = max(CYCLES * (wake + sleep), POINTS * distance)
    trace = [point for point in trace if point["update"] <= end]
    end = trace[-1]["update"]
    layers = len(trace[0]["positive"])
    figure = Figure(figsize=(4.5 * layers, 3.6), layout="constrained")
    for layer, axes in enumerate(figure.subplots(1, layers, squeeze=False).flat):
        for key, colour, style in (("positive", GOOD, "o-"), ("negative", BAD, "s--")):
            goodness = [point[key][layer] for point in trace]
            axes.plot([point["update"] for point in trace], goodness, style, color=colour, label=key, ms=3)
        if sleep >= distance:
            for start in range(wake, end, wake + sleep):
                axes.axvspan(start, min(start + sleep, end), color="black", alpha=0.1, lw=0)
        axes.set(title=f"hidden layer {layer + 1}", xlabel="batches", ylabel="mean goodness")
        axes.grid(alpha=0.3)
    axes.legend()
    when = "wake and (shaded) sleep phases" if sleep >= distance else "many wake and sleep phases"
    figure.suptitle(f"Goodness through {when}: {wake} wake batches, then {sleep} sleep batches")
    return figure

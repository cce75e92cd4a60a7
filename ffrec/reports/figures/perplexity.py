"""Perplexity against batches (Hinton 2022, figure 5)."""

from collections.abc import Sequence

import numpy as np
from matplotlib import colormaps
from matplotlib.figure import Figure

from ffrec.reports.figures.canvas import NothingToDraw, plain_ticks
from ffrec.reports.summary import Summary
from ffrec.storage.files import RunError


def figure_5(runs: Sequence[Summary]) -> Figure:
    """Perplexity by the softmax against batches, of held-out and of training strings, several runs in one.

    Raises RunError for a run on images, NothingToDraw for one that has not been validated yet.
    """
    figure = Figure(figsize=(9, 5.4), layout="constrained")
    axes = figure.subplots()
    for run, colour in zip(runs, colormaps["tab10"](np.arange(len(runs)) % 10), strict=True):
        if run.kind != "text":
            raise RunError(f"{run.path} is a run on images: expected runs on a text: leave it out")
        records = [r for r in run.metrics if "perplexity" in r.get("validation", {})]
        if not records:
            raise NothingToDraw(f"{run.path} has no validated epoch yet: train it further with --resume")
        batches, found = [r["updates"] for r in records], [r["validation"] for r in records]
        held_out = [f.get("softmax_perplexity", f["perplexity"]) for f in found]
        axes.semilogy(batches, held_out, "-", color=colour, label=run.path.name, marker=".")
        trained_on = [f["training_perplexity"] for f in found]
        axes.semilogy(batches, trained_on, ":", color=colour, marker=".")
    axes.set(xlabel="batches", ylabel="perplexity (lower is better)")
    axes.set_title("Perplexity of the next character: held-out strings (lines), training strings (dotted)")
    plain_ticks(axes)
    axes.grid(alpha=0.3, which="both")
    axes.legend()
    return figure


def perplexity(run: Summary) -> Figure:
    """`figure_5` of one run."""
    return figure_5([run])

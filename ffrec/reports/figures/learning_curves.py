"""Errors, accuracies and losses against epochs."""

from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from ffrec.reports.figures.canvas import BAD, GOOD, QUIET, NothingToDraw, plain_ticks, shades
from ffrec.reports.summary import Summary

ACCURACIES = {  # what a layer's accuracy in training is: title, and the axis
    "pairwise_accuracy": ("Goodness of positive and negative data, in pairs", "pairs in the right order, %"),
    "neighbour_accuracy": ("Nearest neighbours in a batch", "of the same class, %"),
}


def records_of(run: Summary) -> list[dict[str, Any]]:
    """The records of a run's epochs; raises NothingToDraw if none is finished."""
    if not run.metrics:
        raise NothingToDraw(f"{run.path} has no finished epoch to draw: train it further with --resume")
    return run.metrics


def learning_curve(run: Summary) -> Figure:
    """Validation errors (logarithmic) and every layer's accuracy, in percent, against epochs."""
    records = records_of(run)
    name = next((key for key in records[0] if key.endswith("accuracy")), "")
    layers = len(records[0].get(name, []))
    figure = Figure(figsize=(11 if layers else 5.5, 4.4), layout="constrained")
    errors, *others = figure.subplots(1, 2 if layers else 1, squeeze=False).flat
    draw_errors(errors, records)
    for axes in others:
        for layer, shade in enumerate(shades(layers)):
            epochs = [record["epoch"] for record in records]
            shares = [100 * record[name][layer] for record in records]
            axes.plot(epochs, shares, ".-", color=shade, label=f"hidden layer {layer + 1}")
        title, ylabel = ACCURACIES.get(name, ("Accuracy in training", "right, %"))
        axes.set(xlabel="epoch", ylabel=ylabel, title=title)
    for axes in (errors, *others):
        finish(axes)
    return figure


def draw_errors(axes: Axes, records: list[dict[str, Any]]) -> None:
    """Errors on validation images, by each of the two ways to predict a label."""
    validated = [record for record in records if "validation" in record]
    for key, label, colour, style in (
        ("error_goodness", "by goodness", GOOD, "o-"),
        ("error_softmax", "by one-pass softmax", BAD, "s--"),
    ):
        shown = [record for record in validated if key in record["validation"]]
        if shown:
            epochs = [record["epoch"] for record in shown]
            found = [record["validation"][key] for record in shown]
            axes.semilogy(epochs, found, style, color=colour, label=label)
    if not axes.lines:
        axes.text(0.5, 0.5, "not validated", ha="center", transform=axes.transAxes)
    axes.set(xlabel="epoch", ylabel="validation error, %", title="Error on validation images")
    plain_ticks(axes)


def finish(axes: Axes) -> None:
    """Whole epochs, a grid, and a legend if there is something to name."""
    axes.xaxis.set_major_locator(MaxNLocator(8, integer=True))
    axes.grid(alpha=0.3, which="both")
    if axes.lines:
        axes.legend()


def loss_curves(run: Summary) -> Figure:
    """The loss of every hidden layer and of the softmax, epoch by epoch (logarithmic)."""
    records = records_of(run)
    figure = Figure(figsize=(6, 4.4), layout="constrained")
    axes = figure.subplots()
    epochs, layers = [record["epoch"] for record in records], len(records[0]["loss"])
    for layer, colour in enumerate(shades(layers)):
        losses = [record["loss"][layer] for record in records]
        axes.semilogy(epochs, losses, ".-", color=colour, label=f"hidden layer {layer + 1}")
    softmax = [record["softmax_loss"] for record in records]
    axes.semilogy(epochs, softmax, "s--", color=QUIET, label="softmax", markersize=3)
    axes.set(xlabel="epoch", ylabel="mean loss", title="Training loss of each layer")
    finish(axes)
    return figure

"""Pictures of a run, drawn from nothing but its folder."""

import contextlib
import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import safetensors.numpy
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from ffrec.reports.canvas import BAD, GOOD, QUIET, NothingToDraw, plain_ticks, save, shades
from ffrec.reports.pictures_sleep import days
from ffrec.storage.checkpoint import RunError, RunFolder

Array = NDArray[Any]


def examples(run: RunFolder) -> dict[str, Array]:
    """What a finished run kept for its pictures; raises NothingToDraw if it has not."""
    file = run.path / "examples.safetensors"
    if not file.is_file():
        raise NothingToDraw(
            f"{run.path} has no examples.safetensors: train it to the end with --resume first"
        )
    return safetensors.numpy.load(file.read_bytes())


def centred(goodness: Array) -> Array:
    """Goodness `(iterations, classes)` as `(classes, iterations)`, less each iteration's mean over labels."""
    difference: Array = (goodness - goodness.mean(1, keepdims=True)).T
    return difference


def heat_map(run: RunFolder) -> Figure:
    """Goodness of every label over the iterations: the network making up its mind (Hinton 2022 §3.4).

    Each image stands beside its map `(classes, iterations)`; goodness is less each iteration's mean.
    """
    kept, network = examples(run), run.config["recipe"]["network"]
    if "window" not in network:
        raise NothingToDraw(f"{run.path} has no iterations in which to make up its mind")
    first, last = network["window"]
    count = len(kept["truth"])
    columns = (count + 1) // 2
    figure = Figure(figsize=(3.9 * columns, 7.2), layout="constrained")
    grid = figure.add_gridspec(2, 2 * columns, width_ratios=[1.3, 2.4] * columns)
    for case in range(count):
        row, column = divmod(case, columns)
        picture = figure.add_subplot(grid[row, 2 * column])
        picture.imshow(kept["images"][case], cmap="gray_r")
        picture.set_axis_off()
        axes = figure.add_subplot(grid[row, 2 * column + 1])
        seen = centred(kept["goodness"][:, case])
        judged = int(kept["goodness"][first - 1 : last, case].mean(0).argmax())
        mind(axes, seen, int(kept["truth"][case]), judged, first, last)
    figure.suptitle(
        "Goodness of every label, iteration by iteration, less the labels’ mean (brighter: better)",
        fontsize=15,
    )
    key = [marker(GOOD, "true label"), marker(BAD, "wrong label that was judged better")]
    key.append(
        Line2D([], [], color="black", ls=":", label="between these lines goodness is averaged to judge")
    )
    figure.legend(handles=key, loc="outside lower center", ncols=3, frameon=False, fontsize=11)
    return figure


def marker(colour: str, label: str = "") -> Line2D:
    """A triangle that points at a row from the right."""
    return Line2D([], [], color=colour, marker="<", markersize=9, ls="", clip_on=False, label=label)


def mind(axes: Axes, seen: Array, truth: int, judged: int, first: int, last: int) -> None:
    """One heat map: labels down, iterations across; the answer, and whether it is right, above it."""
    classes, iterations = seen.shape
    edge = iterations + 0.5
    shown = axes.imshow(seen, cmap="magma", aspect="auto", extent=(0.5, edge, classes - 0.5, -0.5))
    bar = axes.figure.colorbar(shown, ax=axes, pad=0.09, fraction=0.06)
    bar.ax.tick_params(labelsize=8, length=2)
    bar.locator = MaxNLocator(4)
    bar.outline.set_visible(False)
    axes.set_yticks(range(classes))
    axes.xaxis.set_major_locator(MaxNLocator(10, integer=True))
    inside = 0.008 * iterations  # keeps the lines off the frame
    for border in (first - 0.5 + inside, last + 0.5 - inside):
        axes.axvline(border, color="white", lw=1.5, ls=":")
    for label, colour in {judged: BAD, truth: GOOD}.items():  # truth last: it wins where both are one
        axes.get_yticklabels()[label].set(color=colour, fontweight="bold")
        pointer = marker(colour)
        pointer.set(xdata=[edge + 0.035 * iterations], ydata=[label])
        axes.add_line(pointer)
    right = judged == truth
    title = f"{judged}" if right else f"{judged}, in truth {truth}"
    axes.set_title(title, color=GOOD if right else BAD, fontweight="bold", fontsize=14)
    axes.set(xlabel="iteration", ylabel="label", xlim=(0.5, edge))
    axes.tick_params(labelsize=9, length=0)


def learning_curve(run: RunFolder) -> Figure:
    """Validation errors (logarithmic) and every layer's pairwise accuracy, in percent, against epochs."""
    metrics = run.metrics()
    if not metrics:
        raise NothingToDraw(f"{run.path} has no finished epoch to draw: train it further with --resume")
    layers = len(metrics[0]["pairwise_accuracy"])
    figure = Figure(figsize=(11 if layers else 5.5, 4.4), layout="constrained")
    errors, *others = figure.subplots(1, 2 if layers else 1, squeeze=False).flat
    validated = [record for record in metrics if "validation" in record]
    for key, label, colour, style in (
        ("error_goodness", "by goodness", GOOD, "o-"),
        ("error_softmax", "by one-pass softmax", BAD, "s--"),
    ):
        shown = [record for record in validated if key in record["validation"]]
        epochs = [record["epoch"] for record in shown]
        if shown:
            errors.semilogy(epochs, [r["validation"][key] for r in shown], style, color=colour, label=label)
    if not errors.lines:
        errors.text(0.5, 0.5, "not validated", ha="center", transform=errors.transAxes)
    errors.set(xlabel="epoch", ylabel="validation error, %", title="Labels judged on validation images")
    plain_ticks(errors)
    for layer, shade in enumerate(shades(layers)):
        shares = [100 * record["pairwise_accuracy"][layer] for record in metrics]
        others[0].plot(
            [record["epoch"] for record in metrics],
            shares,
            ".-",
            color=shade,
            label=f"hidden layer {layer + 1}",
        )
    for pairs in others:
        pairs.set(xlabel="epoch", ylabel="judged rightly, %", title="Positive and negative data told apart")
    for axes in (errors, *others):
        axes.xaxis.set_major_locator(MaxNLocator(8, integer=True))
        axes.grid(alpha=0.3, which="both")
        if axes.lines:
            axes.legend()
    return figure


def receptive_fields(run: RunFolder) -> Figure:
    """Weights of 100 units of hidden layer 1, as images (Hinton 2022, figure 2)."""
    fields = first_layer(run)
    count = min(100, len(fields))
    rows = -(-count // 10)
    figure = Figure(figsize=(9, 0.9 * rows + 0.6), layout="constrained")
    for unit, axes in enumerate(figure.subplots(rows, 10, squeeze=False).flat):
        axes.set_axis_off()
        if unit < count:
            field = fields[unit]
            limit = np.abs(field).max()
            axes.imshow(field, cmap="RdBu_r", vmin=-limit, vmax=limit)
    recipe = run.config["recipe"]
    notes = ["The pixels are permuted"] if recipe["training"]["permute"] is not None else []
    if recipe["network"].get("label") == "overwrite":
        notes.append("The first pixels are the label's")
    figure.suptitle(
        f"Incoming weights of {count} units of hidden layer 1 (red: positive, blue: negative; own scales)"
        + "".join(f"\n{note}" for note in notes)
    )
    return figure


def first_layer(run: RunFolder) -> Array:
    """What every unit of hidden layer 1 weighs its input with, as images `(units, height, width)`: the whole
    image, with the label's weights where the label is written over it, or the unit's own receptive field,
    channel by channel."""
    saved = run.load()
    if saved is None:
        raise NothingToDraw(f"{run.path} has no checkpoint yet: train it first")
    if "layers.0.weights.0" not in saved[1]:
        raise NothingToDraw(f"{run.path} has no hidden layer that learnt by itself: nothing to see in it")
    weights = saved[1]["layers.0.weights.0"].numpy()
    if weights.ndim == 3:  # (locations, field, channels)
        side = math.isqrt(weights.shape[1])
        own: Array = weights.transpose(2, 0, 1).reshape(-1, side, side)
        return own
    shape = examples(run)["images"].shape[1:]
    if len(weights) < math.prod(shape):
        label = saved[1]["layers.0.weights.label"].numpy()
        weights = np.concatenate([label * len(label) ** 0.5, weights])
    fields: Array = weights.T.reshape(-1, *shape)
    return fields


def hybrids(run: RunFolder) -> Figure:
    """Parents, mask and child of some hybrid images (Hinton 2022, figure 1)."""
    kept = examples(run)
    if "hybrids" not in kept:
        raise NothingToDraw(f"{run.path} has learnt from no hybrid images")
    rows = {"images": "image", "others": "another", "masks": "mask", "hybrids": "hybrid"}
    count = len(kept["hybrids"])
    figure = Figure(figsize=(1.2 * count + 1, 5.2), layout="constrained")
    grid = figure.subplots(len(rows), count, squeeze=False)
    for line, (key, label) in zip(grid, rows.items(), strict=True):
        for axes, picture in zip(line, kept[key], strict=True):
            axes.imshow(picture, cmap="gray" if key == "masks" else "gray_r")
            axes.set_xticks([])
            axes.set_yticks([])
        line[0].set_ylabel(label)
    figure.suptitle("Negative data: one image where the mask is white, another where it is black")
    return figure


def loss_curves(run: RunFolder) -> Figure:
    """The loss of every hidden layer and of the softmax, epoch by epoch (logarithmic)."""
    metrics = run.metrics()
    if not metrics:
        raise NothingToDraw(f"{run.path} has no finished epoch to draw: train it further with --resume")
    figure = Figure(figsize=(6, 4.4), layout="constrained")
    axes = figure.subplots()
    epochs, layers = [record["epoch"] for record in metrics], len(metrics[0]["loss"])
    for layer, colour in enumerate(shades(layers)):
        losses = [record["loss"][layer] for record in metrics]
        axes.semilogy(epochs, losses, ".-", color=colour, label=f"hidden layer {layer + 1}")
    softmax = [record["softmax_loss"] for record in metrics]
    axes.semilogy(epochs, softmax, "s--", color=QUIET, label="softmax", markersize=3)
    axes.set(xlabel="epoch", ylabel="−log p(correct), mean", title="Training loss, each layer's own")
    axes.xaxis.set_major_locator(MaxNLocator(8, integer=True))
    axes.grid(alpha=0.3, which="both")
    axes.legend()
    return figure


def goodness_histograms(run: RunFolder) -> Figure:
    """Goodness of true and of wrong labels `(layers, cases)` in every layer, and the threshold."""
    kept = examples(run)
    names = ("true label", "hard wrong label", "test images")
    if "hybrids" in kept:
        names = ("image", "hybrid", "test images")
    return histograms(kept["positive"], kept["negative"], thresholds(run), names)


def thresholds(run: RunFolder) -> list[float]:
    """Of the hidden layers."""
    network = run.config["recipe"]["network"]
    held = network["threshold"]
    return held if isinstance(held, list) else [held] * len(network["hidden"])


def histograms(
    positive: Array, negative: Array, thresholds: Sequence[float], names: tuple[str, str, str]
) -> Figure:
    """Goodness of positive and negative cases `(layers, cases)`; names of both, and of what is counted."""
    layers = len(positive)
    figure = Figure(figsize=(4.5 * layers, 3.6), layout="constrained")
    for layer, axes in enumerate(figure.subplots(1, layers, squeeze=False).flat):
        both = positive[layer], negative[layer]
        bins = np.histogram_bin_edges(np.concatenate(both), 40).tolist()
        axes.hist(both[0], bins, alpha=0.7, color=GOOD, label=names[0])
        axes.hist(both[1], bins, alpha=0.7, color=BAD, label=names[1])
        axes.axvline(thresholds[layer], color=QUIET, ls="--", label="threshold")
        axes.set(title=f"hidden layer {layer + 1}", xlabel="goodness", ylabel=names[2])
    axes.legend()
    return figure


def told_apart(positive: Array, negative: Array) -> list[float]:
    """Per layer, the share of pairs in which a positive case has the higher goodness: `(layers, cases)`."""
    return [
        float((p[:, None] > n).mean() + (p[:, None] == n).mean() / 2)
        for p, n in zip(positive, negative, strict=True)
    ]


def dreams(run: RunFolder) -> Figure:
    """Goodness of real and dreamt strings in every layer, and the share of pairs that it tells apart."""
    kept = examples(run)
    return dreamt(kept["positive"], kept["negative"], thresholds(run))


def dreamt(positive: Array, negative: Array, thresholds: Sequence[float]) -> Figure:
    """`histograms` of strings, with the share of pairs told apart."""
    figure = histograms(positive, negative, thresholds, ("real", "dreamt", "strings"))
    for axes, share in zip(figure.axes, told_apart(positive, negative), strict=True):
        axes.set_title(f"{axes.get_title()}: {100 * share:.0f} % of pairs told apart")
    return figure


def figure_5(runs: Sequence[RunFolder]) -> Figure:
    """Perplexity by the softmax against batches, held out and trained on, all runs in one: figure 5."""
    figure = Figure(figsize=(9, 5.4), layout="constrained")
    axes = figure.subplots()
    for run, colour in zip(runs, colormaps["tab10"](np.arange(len(runs)) % 10), strict=True):
        if "text" not in run.config:
            raise RunError(f"{run.path} is a run on images: expected runs on a text: leave it out")
        records = [r for r in run.metrics() if "perplexity" in r.get("validation", {})]
        if not records:
            raise NothingToDraw(f"{run.path} has no validated epoch yet: train it further with --resume")
        updates = [r["updates"] for r in records]
        for key, style, note in (("perplexity", "-", ""), ("training_perplexity", ":", None)):
            label = None if note is None else run.path.name
            found = [r["validation"] for r in records]
            alone = [f.get("softmax_perplexity", f[key]) if note == "" else f[key] for f in found]
            axes.semilogy(updates, alone, style, color=colour, label=label, marker=".")
    axes.set(xlabel="batches", ylabel="perplexity (lower is better)")
    axes.set_title("Predicting the next character: held-out strings (lines), training strings (dotted)")
    plain_ticks(axes)
    axes.grid(alpha=0.3, which="both")
    axes.legend()
    return figure


PICTURES: dict[str, Callable[[RunFolder], Figure]] = {
    "heat_map": heat_map,
    "learning_curve": learning_curve,
    "loss_curves": loss_curves,
    "hybrids": hybrids,
    "receptive_fields": receptive_fields,
    "goodness_histograms": goodness_histograms,
    "days": days,
}
PICTURES_OF_TEXT: dict[str, Callable[[RunFolder], Figure]] = {
    "perplexity": lambda run: figure_5([run]),
    "dreams": dreams,
}


def draw(run: RunFolder) -> list[Path]:
    """Draw what the run has material for into its `pictures/`; returns the paths.

    Raises NothingToDraw, a RunError, if that is nothing at all.
    """
    paths = []
    for name, picture in (PICTURES_OF_TEXT if "text" in run.config else PICTURES).items():
        with contextlib.suppress(NothingToDraw):
            paths.append(save(picture(run), run.path / "pictures" / f"{name}.png"))
    if not paths:
        raise NothingToDraw(f"{run.path} holds nothing to draw yet: train it for an epoch with --resume")
    return paths

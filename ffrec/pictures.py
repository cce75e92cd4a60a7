"""Pictures of a run, drawn from nothing but its folder."""

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import safetensors.numpy
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from ffrec.checkpoint import RunError, RunFolder, write_atomic

Array = NDArray[Any]
GOOD, BAD, QUIET = "#0072b2", "#d55e00", "#888888"  # told apart by colour-blind readers too


def examples(run: RunFolder) -> dict[str, Array]:
    """What a finished run kept for its pictures; raises RunError if it has not finished."""
    file = run.path / "examples.safetensors"
    if not file.is_file():
        raise RunError(f"{run.path} has no examples.safetensors: train it to the end with --resume first")
    return safetensors.numpy.load(file.read_bytes())


def centred(goodness: Array) -> Array:
    """Goodness `(iterations, classes)` as `(classes, iterations)`, less each iteration's mean over labels."""
    difference: Array = (goodness - goodness.mean(1, keepdims=True)).T
    return difference


def heat_map(run: RunFolder) -> Figure:
    """Goodness of every label over the iterations: the network making up its mind (Hinton 2022 §3.4)."""
    kept, (first, last) = examples(run), run.config["recipe"]["network"]["window"]
    count = len(kept["truth"])
    columns = (count + 1) // 2
    figure = Figure(figsize=(3.3 * columns, 6.4), layout="constrained")
    grid = figure.add_gridspec(2, 2 * columns, width_ratios=[1, 2.2] * columns)
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
        "Goodness of every label, iteration by iteration (brighter: better than the average label)"
    )
    return figure


def mind(axes: Axes, seen: Array, truth: int, judged: int, first: int, last: int) -> None:
    """One heat map: labels down, iterations across; the answer, and whether it is right, above it."""
    classes, iterations = seen.shape
    axes.imshow(seen, cmap="magma", aspect="auto", extent=(0.5, iterations + 0.5, classes - 0.5, -0.5))
    axes.set_yticks(range(classes))
    axes.set_xticks(range(1, iterations + 1))
    axes.axvline(first - 0.5, color="white", lw=1, ls=":")
    axes.axvline(last + 0.5, color="white", lw=1, ls=":")
    axes.get_yticklabels()[truth].set(color=GOOD, fontweight="bold")
    if judged == truth:
        axes.set_title(f"{judged}", color=GOOD, fontweight="bold")
    else:
        axes.get_yticklabels()[judged].set(color=BAD, fontweight="bold")
        axes.set_title(f"{judged}, in truth {truth}", color=BAD, fontweight="bold")
    axes.set_xlabel("iteration")
    axes.tick_params(labelsize=8, length=0)


def learning_curve(run: RunFolder) -> Figure:
    """Validation errors and every layer's pairwise accuracy, against epochs."""
    metrics = run.metrics()
    if not metrics:
        raise RunError(f"{run.path} has no finished epoch to draw: train it further with --resume")
    figure = Figure(figsize=(10, 4), layout="constrained")
    errors, pairs = figure.subplots(1, 2)
    validated = [record for record in metrics if "validation" in record]
    for key, label, colour in (
        ("error_goodness", "by goodness", GOOD),
        ("error_softmax", "by one-pass softmax", BAD),
    ):
        epochs = [record["epoch"] for record in validated]
        errors.semilogy(epochs, [r["validation"][key] for r in validated], "o-", color=colour, label=label)
    errors.set(xlabel="epoch", ylabel="validation error, %")
    errors.legend()
    for layer in range(len(metrics[0]["pairwise_accuracy"])):
        shares = [100 * record["pairwise_accuracy"][layer] for record in metrics]
        pairs.plot([record["epoch"] for record in metrics], shares, label=f"hidden layer {layer + 1}")
    pairs.set(xlabel="epoch", ylabel="true label above the negative one, %")
    pairs.legend()
    for axes in (errors, pairs):
        axes.grid(alpha=0.3, which="both")
    return figure


def receptive_fields(run: RunFolder) -> Figure:
    """What 100 units of the first hidden layer look for in the image (Hinton 2022, figure 2)."""
    saved = run.load()
    if saved is None:
        raise RunError(f"{run.path} has no checkpoint yet: train it first")
    weights, shape = saved[1]["layers.0.weights.0"].numpy(), examples(run)["images"].shape[1:]
    count = min(100, weights.shape[1])
    figure = Figure(figsize=(9, 9.4), layout="constrained")
    grid = figure.subplots(10, 10).flat
    for unit, axes in enumerate(grid):
        axes.set_axis_off()
        if unit < count:
            field = weights[:, unit].reshape(shape)
            limit = np.abs(field).max()
            axes.imshow(field, cmap="RdBu_r", vmin=-limit, vmax=limit)
    permuted = run.config["recipe"]["training"]["permute"] is not None
    figure.suptitle("First hidden layer: incoming weights" + (" (pixels are permuted)" if permuted else ""))
    return figure


def goodness_histograms(run: RunFolder) -> Figure:
    """Goodness of true and of wrong labels in every layer, and the threshold between them."""
    kept, threshold = examples(run), run.config["recipe"]["network"]["threshold"]
    layers = len(kept["positive"])
    figure = Figure(figsize=(4.5 * layers, 3.6), layout="constrained")
    for layer, axes in enumerate(figure.subplots(1, layers, squeeze=False).flat):
        both = kept["positive"][layer], kept["negative"][layer]
        bins = np.histogram_bin_edges(np.concatenate(both), 40).tolist()
        axes.hist(both[0], bins, alpha=0.7, color=GOOD, label="true label")
        axes.hist(both[1], bins, alpha=0.7, color=BAD, label="hard wrong label")
        axes.axvline(threshold, color=QUIET, ls="--", label="threshold")
        axes.set(title=f"hidden layer {layer + 1}", xlabel="goodness", ylabel="test images")
    axes.legend()
    return figure


PICTURES: dict[str, Callable[[RunFolder], Figure]] = {
    "heat_map": heat_map,
    "learning_curve": learning_curve,
    "receptive_fields": receptive_fields,
    "goodness_histograms": goodness_histograms,
}


def draw(run: RunFolder) -> list[Path]:
    """Draw every picture into `pictures/` of a finished run; returns their paths. Raises RunError."""
    (run.path / "pictures").mkdir(exist_ok=True)
    paths = []
    for name, picture in PICTURES.items():
        png = io.BytesIO()
        picture(run).savefig(png, format="png", dpi=110)
        paths.append(run.path / "pictures" / f"{name}.png")
        write_atomic(paths[-1], png.getvalue())
    return paths

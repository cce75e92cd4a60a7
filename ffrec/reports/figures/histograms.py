"""Histograms of the goodness of positive and of negative data."""

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure

from ffrec.reports.figures.canvas import BAD, GOOD, QUIET
from ffrec.reports.figures.examples import Array, examples, thresholds
from ffrec.reports.summary import Summary


def goodness_histograms(run: Summary) -> Figure:
    """Goodness of true and of wrong labels `(layers, cases)` in every layer, and the threshold."""
    kept = examples(run)
    names = ("true label", "hard wrong label", "test images")
    if "hybrids" in kept:
        names = ("image", "hybrid", "test images")
    return histograms(kept["positive"], kept["negative"], thresholds(run), names)


def histograms(
    positive: Array, negative: Array, thresholds: Sequence[float], names: tuple[str, str, str]
) -> Figure:
    """Goodness of positive and negative cases `(layers, cases)`; `names` says what both are, and what is
    counted."""
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


def pair_accuracy(positive: Array, negative: Array) -> list[float]:
    """Per layer, the share of pairs in which the positive case has the higher goodness; a tie counts half.

    Both arrays are `(layers, cases)`.
    """
    shares = []
    for p, n in zip(positive, np.sort(negative), strict=True):
        below, to_equal = np.searchsorted(n, p, "left"), np.searchsorted(n, p, "right")
        shares.append(float((below + to_equal).mean() / 2 / len(n)))
    return shares


def generated_strings(run: Summary) -> Figure:
    """`real_and_generated` of the strings that a finished run kept."""
    kept = examples(run)
    return real_and_generated(kept["positive"], kept["negative"], thresholds(run))


def real_and_generated(positive: Array, negative: Array, thresholds: Sequence[float]) -> Figure:
    """Goodness of real and of generated strings `(layers, strings)`, and the share of ordered pairs."""
    figure = histograms(positive, negative, thresholds, ("real", "generated", "strings"))
    for axes, share in zip(figure.axes, pair_accuracy(positive, negative), strict=True):
        axes.set_title(f"{axes.get_title()}: {100 * share:.0f} % of pairs in the right order")
    return figure

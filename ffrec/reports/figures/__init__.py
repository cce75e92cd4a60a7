"""The figures of a run, one file an idea; `FIGURES` is the table of them all."""

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

from matplotlib.figure import Figure

from ffrec.reports.figures.canvas import NothingToDraw, save
from ffrec.reports.figures.collapse import collapse
from ffrec.reports.figures.confidence import confidence
from ffrec.reports.figures.heat_map import heat_map
from ffrec.reports.figures.histograms import generated_strings, goodness_histograms
from ffrec.reports.figures.hybrids import hybrids
from ffrec.reports.figures.learning_curves import learning_curve, loss_curves
from ffrec.reports.figures.perplexity import perplexity
from ffrec.reports.figures.receptive_fields import receptive_fields
from ffrec.reports.figures.robustness import robustness
from ffrec.reports.figures.wake_sleep import wake_sleep
from ffrec.reports.summary import Kind, Summary
from ffrec.storage.files import RunError


class Entry(NamedTuple):
    """One figure: the runs it is for, the function that draws it, and its caption.

    The function raises NothingToDraw if a run does not hold what it needs.
    """

    kind: Kind
    draw: Callable[[Summary], Figure]
    caption: str


FIGURES: dict[str, Entry] = {
    "heat_map": Entry(
        "images",
        heat_map,
        "Eight test images and the goodness of every label. Labels are the rows, iterations the columns. "
        "The label with the highest mean goodness between the dotted lines is the prediction.",
    ),
    "learning_curve": Entry(
        "images",
        learning_curve,
        "Left: the error on validation images, by goodness and by the one-pass softmax. Right: how often a "
        "hidden layer gives positive data the higher goodness than negative data.",
    ),
    "loss_curves": Entry(
        "images",
        loss_curves,
        "The mean training loss of every hidden layer and of the softmax. Every hidden layer has a loss of "
        "its own.",
    ),
    "hybrids": Entry(
        "images",
        hybrids,
        "A hybrid image has one image where the mask is white and another where it is black.",
    ),
    "receptive_fields": Entry(
        "images",
        receptive_fields,
        "Each small image shows the incoming weights of one unit of the first hidden layer.",
    ),
    "goodness_histograms": Entry(
        "images",
        goodness_histograms,
        "Goodness of positive and of negative test data in every hidden layer. A layer learns to have them "
        "on different sides of the threshold.",
    ),
    "wake_sleep": Entry(
        "images",
        wake_sleep,
        "Mean goodness of the same positive and negative training data through the first wake and sleep "
        "phases. Sleep phases are shaded.",
    ),
    "collapse": Entry(
        "images",
        collapse,
        "How far layers that agree have collapsed, on validation images: the dimensions that the activities "
        "use, the mean cosine of two images of one class and of different classes, and how far directions "
        "are spread. Where all images have one direction, the cosines are 1 and the spread is 0.",
    ),
    "confidence": Entry(
        "images",
        confidence,
        "How sure the network may be (`ffrec confidence`). Reliability: the share of right answers against "
        "the confidence, in bins; larger marks hold more test images. Then the test error where only the "
        "softmax's first labels are tried, where an image stops as soon as its best label is ahead by a "
        "margin, and on what is left where the least sure images are refused.",
    ),
    "robustness": Entry(
        "images",
        robustness,
        "Test errors on corrupted test images (`ffrec robustness`), and by iteration on clean images and as "
        "the mean over the corruptions. Dotted: by the goodness of one iteration alone. Lines: by the mean "
        "goodness from the evaluation window's first iteration on.",
    ),
    "perplexity": Entry(
        "text",
        perplexity,
        "Perplexity of the next character by the softmax. The line is for held-out strings, the dotted line "
        "for training strings.",
    ),
    "generated_strings": Entry(
        "text",
        generated_strings,
        "Goodness of real strings and of strings that the network generated, in every hidden layer. A pair "
        "is in the right order if the real string has the higher goodness.",
    ),
}


MISFITS = (ArithmeticError, AttributeError, LookupError, TypeError, ValueError)
"""What drawing raises where files of a run are each as they should be, but do not fit together."""


@contextlib.contextmanager
def fitting(run: Summary, figure: str) -> Iterator[None]:
    """Raise RunError, naming the figure, where the files of a run do not fit together."""
    try:
        yield
    except MISFITS as error:
        raise RunError(
            f"{run.path}: expected files that fit together, found what cannot be drawn as {figure} "
            f"({type(error).__name__}: {error}): restore them, or train again with --force"
        ) from None


def draw(run: Summary) -> list[Path]:
    """Draw what the run has material for into its `pictures/`; returns the paths.

    Raises NothingToDraw, a RunError, if that is nothing at all.
    """
    paths = []
    for name, figure in FIGURES.items():
        if figure.kind == run.kind:
            with contextlib.suppress(NothingToDraw), fitting(run, name):
                paths.append(save(figure.draw(run), run.path / "pictures" / f"{name}.png"))
    if not paths:
        raise NothingToDraw(f"{run.path} holds nothing to draw yet: train it for an epoch with --resume")
    return paths

"""Wake and sleep phases apart, on images."""

from collections.abc import Callable
from functools import partial

from ffrec.config import FeedForwardConfig, ImageRecipe, TrainingConfig

MASKS = {"negatives": "hybrid", "hybrid_labels": "uniform", "rate": 2e-4, "wake_rate": 2e-4}
"""What the cure changes where negative data are hybrids; faster, layers learn to recognise hybrids."""


def paper_of_sleep(error: str, phases: str) -> str:
    """What the sleep paper states of a data set, as an error, at phases of one length."""
    return (
        f"{error} error, phases of {phases} batches (Lică and Dinucu-Jianu 2023, table 1)"
        if error != "–"
        else "–"
    )


def sleep(name: str, data: str, paper: str) -> ImageRecipe:
    """Wake and sleep phases of one batch each, by the rule of the paper that found that long phases fail."""
    return ImageRecipe(
        name=name,
        paper=paper_of_sleep(paper, "1 : 1"),
        data=data,
        network=FeedForwardConfig(
            hidden=(500, 500, 500), threshold=1.5, sharpness=1.0, label_size=0.11, reads=(1, 2, 3)
        ),
        training=TrainingConfig(
            epochs=50,
            batch=512,
            negatives="uniform",
            optimiser="Adam",
            schedule="constant",
            wake=1,
            sleep=1,
            validate_every=25,
        ),
    )


def sleep_cure(name: str, data: str, paper: str) -> ImageRecipe:
    """Wake and sleep phases of 128 batches each, more than an epoch, that do not fail: inputs count from the
    midpoint between positive and negative data, synaptic scaling keeps goodness near the threshold, layers
    add the mean gradient of the last phase of the other kind, and they see a strong label."""
    return ImageRecipe(
        name=name,
        paper=paper_of_sleep(paper, "128 : 128"),
        data=data,
        network=FeedForwardConfig(
            hidden=(500, 500, 500), sharpness=20.0, centring=True, scaling=0.03, reads=(1, 2, 3)
        ),
        training=TrainingConfig(
            epochs=50,
            batch=512,
            negatives="uniform",
            rate=3.5e-4,
            wake=128,
            sleep=128,
            wake_rate=3.5e-4,
            baseline=0.75,
            validate_every=25,
        ),
    )


def masks_cure(name: str, data: str, paper: str) -> ImageRecipe:
    """The cure with hybrid images, labelled wrongly, as negative data."""
    return sleep_cure(name, data, paper).override(MASKS)


def sleep_digits() -> ImageRecipe:
    """The paper's rule on the embedded digits, in seconds."""
    made = sleep("sleep-digits", "digits", "–")
    return made.override({"hidden": [100, 100, 100], "label": "append", "batch": 50})


def sleep_digits_cure() -> ImageRecipe:
    """The cure on the embedded digits, in seconds."""
    made = sleep_cure("sleep-digits-cure", "digits", "–")
    return made.override(
        {"hidden": [100, 100, 100], "label": "append", "batch": 50, "rate": 1e-3, "wake_rate": 1e-3}
    )


MAKERS: tuple[Callable[[], ImageRecipe], ...] = (
    partial(sleep, "sleep-mnist", "mnist", "11 %"),
    partial(sleep, "sleep-fashion", "fashion-mnist", "27 %"),
    sleep_digits,
    partial(sleep_cure, "sleep-mnist-cure", "mnist", "91 %"),
    partial(sleep_cure, "sleep-fashion-cure", "fashion-mnist", "90 %"),
    partial(masks_cure, "sleep-fashion-masks-cure", "fashion-mnist", "78 %"),
    sleep_digits_cure,
)

"""Feed-forward networks on images: supervised, unsupervised, local fields, thresholds, and baselines."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial

from ffrec.config import BackpropConfig, FeedForwardConfig, ImageRecipe, TrainingConfig


def supervised(*hidden: int) -> FeedForwardConfig:
    """The label in the image, and little activity on positive data rather than much."""
    return FeedForwardConfig(hidden=hidden, activity="min", threshold=-1.0)


def supervised_mnist() -> ImageRecipe:
    """The paper's four layers of 2000."""
    return ImageRecipe(
        name="supervised-mnist",
        paper="1.36 % (Hinton 2022 §3.3, 60 epochs)",
        data="mnist",
        network=supervised(2000, 2000, 2000, 2000),
        training=TrainingConfig(epochs=30, batch=100, dropout=0.1, weight_decay=0.3, validate_every=5),
    )


def supervised_mnist_small() -> ImageRecipe:
    """Half the paper's layers and half its units, with noise; chosen on validation images, which it then
    learns too, as the paper's run does."""
    return ImageRecipe(
        name="supervised-mnist-small",
        paper="1.36 % (Hinton 2022 §3.3, four layers of 2000, 60 epochs)",
        data="mnist",
        network=supervised(1000, 1000),
        training=TrainingConfig(
            epochs=40,
            batch=100,
            noise=0.5,
            hidden_noise=0.3,
            weight_decay=0.1,
            train_on_validation=True,
            validate_every=5,
        ),
    )


def supervised_mnist_jitter() -> ImageRecipe:
    """Images shifted by up to two pixels; half the paper's layers and half its units, which take an eighth of
    the time."""
    return ImageRecipe(
        name="supervised-mnist-jitter",
        paper="0.64 % (Hinton 2022 §3.3, four layers of 2000, 500 epochs)",
        data="mnist",
        network=supervised(1000, 1000),
        training=TrainingConfig(
            epochs=60,
            batch=100,
            jitter=2,
            weight_decay=0.3,
            train_on_validation=True,
            validate_every=10,
        ),
    )


def supervised_fashion() -> ImageRecipe:
    """Fashion-MNIST has no black border to write a label on: it is appended. The true label competes with
    three wrong ones, as in `recurrent_fashion`."""
    return ImageRecipe(
        name="supervised-fashion",
        paper="–",
        data="fashion-mnist",
        network=replace(supervised(1000, 1000), label="append", objective="candidates"),
        training=TrainingConfig(
            epochs=40,
            batch=100,
            negatives="hard-3",
            noise=0.3,
            hidden_noise=0.3,
            weight_decay=0.1,
            validate_every=5,
        ),
    )


def supervised_digits() -> ImageRecipe:
    """The embedded digits, in seconds; their borders are not black either."""
    return ImageRecipe(
        name="supervised-digits",
        paper="–",
        data="digits",
        network=replace(supervised(200, 200, 200), label="append"),
        training=TrainingConfig(epochs=40, batch=50, validate_every=5),
    )


def unsupervised_mnist() -> ImageRecipe:
    """Hybrid images as negative data, and a softmax on what has been learnt without labels."""
    return ImageRecipe(
        name="unsupervised-mnist",
        paper="1.37 % (Hinton 2022 §3.2, 100 epochs)",
        data="mnist",
        network=FeedForwardConfig(label="none"),
        training=TrainingConfig(
            epochs=30,
            batch=100,
            negatives="hybrid",
            softmax_rate=3e-3,
            weight_decay=0.3,
            validate_every=5,
        ),
    )


def local_mnist() -> ImageRecipe:
    """Local receptive fields without weight sharing, and peer normalisation: notes 8 and 9."""
    return ImageRecipe(
        name="local-mnist",
        paper="1.16 % (Hinton 2022 §3.2, 60 epochs)",
        data="mnist",
        network=FeedForwardConfig(
            hidden=(16 * 128, 9 * 220, 4 * 512),
            label="none",
            local=((10, 6, 128), (2, 1, 220), (2, 1, 512)),
            peer=1e-3,
            reads=(1, 2, 3),
        ),
        training=TrainingConfig(
            epochs=30, batch=100, negatives="hybrid", softmax_rate=1.5e-4, validate_every=5
        ),
    )


def threshold(theta: float, paper: str) -> ImageRecipe:
    """One row of a sweep of thresholds, as others have made it: a logit of the bare mean square, wrong labels
    that any net tells apart, few updates on large batches."""
    return ImageRecipe(
        name=f"threshold-{theta:g}",
        paper=f"{paper} (slides, θ = {theta:g}, 1000 epochs)",
        data="mnist",
        network=FeedForwardConfig(threshold=theta, sharpness=1.0, reads=(1, 2, 3, 4)),
        training=TrainingConfig(epochs=20, batch=1000, negatives="uniform", validate_every=5),
    )


def threshold_backprop() -> ImageRecipe:
    """The sweep's row for backpropagation."""
    return ImageRecipe(
        name="threshold-backprop",
        paper="5.64 % (slides, 15 epochs)",
        data="mnist",
        network=BackpropConfig(),
        training=TrainingConfig(epochs=15, batch=1000, validate_every=5),
    )


def threshold_corrected() -> ImageRecipe:
    """The same budget with a sharp logit and hard negatives: no threshold is what the sweep lacks."""
    return ImageRecipe(
        name="threshold-corrected",
        paper="–",
        data="mnist",
        network=FeedForwardConfig(),
        training=TrainingConfig(epochs=20, batch=1000, validate_every=5),
    )


def baseline(name: str, network: BackpropConfig) -> ImageRecipe:
    """A baseline on the same images: backpropagation, random hidden layers, or none."""
    return ImageRecipe(
        name=f"{name}-mnist",
        paper="1.4 % (Hinton 2022 §3.1)" if network.learns == "all" and network.hidden else "–",
        data="mnist",
        network=network,
        training=TrainingConfig(epochs=20, batch=100, validate_every=5),
    )


MAKERS: tuple[Callable[[], ImageRecipe], ...] = (
    supervised_mnist,
    supervised_mnist_small,
    supervised_mnist_jitter,
    supervised_fashion,
    supervised_digits,
    unsupervised_mnist,
    local_mnist,
    partial(threshold, 0.0, "6.82 %"),
    partial(threshold, 2.0, "6.42 %"),
    partial(threshold, 3.0, "6.42 %"),
    threshold_backprop,
    threshold_corrected,
    partial(baseline, "backprop", BackpropConfig()),
    partial(baseline, "random", BackpropConfig(learns="softmax", reads=(2, 3, 4))),
    partial(baseline, "linear", BackpropConfig(hidden=())),
)

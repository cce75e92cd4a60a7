"""Recurrent networks with top-down connections, on images."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial

from ffrec.config import BackpropConfig, FeedForwardConfig, ImageRecipe, RecurrentConfig, TrainingConfig

PAPER = "Hinton 2022 §3.4"


def quick(*hidden: int, last: int = 3) -> RecurrentConfig:
    """What was chosen on MNIST's validation images for two hidden layers: only as many iterations as a label
    needs, and little activity on positive data rather than much (slightly better: Hinton 2022 §9)."""
    return RecurrentConfig(
        hidden=hidden, iterations=last, loss=(2, last), window=(2, last), activity="min", threshold=-1.0
    )


def recurrent_digits() -> ImageRecipe:
    """The demo: 8×8 digits that come with scikit-learn, a minute on two cores."""
    return ImageRecipe(
        name="recurrent-digits",
        paper="–",
        data="digits",
        network=replace(quick(250, 250), sharpness=10.0),
        training=TrainingConfig(epochs=80, batch=50, noise=0.3, hidden_noise=0.3, weight_decay=0.1),
    )


def recurrent_mnist_small() -> ImageRecipe:
    """MNIST in minutes on two cores."""
    return ImageRecipe(
        name="recurrent-mnist-small",
        paper=f"1.31 % ({PAPER}, 2000 units a layer)",
        data="mnist",
        network=quick(500, 500),
        training=TrainingConfig(
            epochs=20, batch=100, noise=0.5, hidden_noise=0.3, weight_decay=0.1, validate_every=5
        ),
    )


def recurrent_mnist_wide() -> ImageRecipe:
    """Two layers of half the paper's width, and noise; chosen on validation images, which it then learns too,
    as the paper's run does."""
    return ImageRecipe(
        name="recurrent-mnist-wide",
        paper=f"1.31 % ({PAPER}, 2000 units a layer)",
        data="mnist",
        network=quick(1000, 1000),
        training=TrainingConfig(
            epochs=40,
            batch=100,
            noise=0.5,
            hidden_noise=0.5,
            weight_decay=0.1,
            train_on_validation=True,
            validate_every=5,
        ),
    )


def recurrent_mnist_jitter() -> ImageRecipe:
    """Images shifted by up to two pixels, and hardly any noise: not blind to the layout of the pixels. The
    label also reaches the lower layer directly (note 10), with which such images are learnt better, and in
    fewer iterations; the last one alone decides."""
    return ImageRecipe(
        name="recurrent-mnist-jitter",
        paper="–",
        data="mnist",
        network=replace(quick(1000, 1000), skip=((3, 1),), iterations=2, loss=(1, 2), window=(2, 2)),
        training=TrainingConfig(
            epochs=80,
            batch=100,
            jitter=2,
            hidden_noise=0.1,
            weight_decay=0.1,
            rate=4e-4,
            train_on_validation=True,
            validate_every=10,
        ),
    )


def recurrent_mnist() -> ImageRecipe:
    """The paper's own network: three layers of 2000, eight iterations, 60 epochs."""
    return ImageRecipe(
        name="recurrent-mnist",
        paper=f"1.31 % ({PAPER})",
        data="mnist",
        network=RecurrentConfig(hidden=(2000, 2000, 2000)),
        training=TrainingConfig(epochs=60, batch=100, validate_every=5),
    )


def recurrent_mnist_alternating() -> ImageRecipe:
    """The paper's preliminary variant: even layers, then odd ones, ten steps without damping."""
    return ImageRecipe(
        name="recurrent-mnist-alternating",
        paper=f"slightly worse than 1.31 % ({PAPER})",
        data="mnist",
        network=RecurrentConfig(
            hidden=(2000, 2000, 2000), update="alternating", damping=0.0, iterations=10, loss=(3, 10)
        ),
        training=TrainingConfig(epochs=60, batch=100, validate_every=5),
    )


def recurrent_fashion() -> ImageRecipe:
    """Fashion-MNIST: the true label competes with three wrong ones, since with one an image many labels are
    hardly ever shown as wrong, and their goodness says little."""
    return ImageRecipe(
        name="recurrent-fashion",
        paper="–",
        data="fashion-mnist",
        network=replace(quick(1000, 1000), objective="candidates"),
        training=TrainingConfig(
            epochs=40,
            batch=100,
            negatives="hard-3",
            noise=0.3,
            hidden_noise=0.3,
            rate=5e-4,
            validate_every=5,
        ),
    )


def recurrent_local_digits() -> ImageRecipe:
    """The demo of local receptive fields: 8×8 digits, four units a place."""
    return ImageRecipe(
        name="recurrent-local-digits",
        paper="–",
        data="digits",
        network=replace(quick(256, 256, last=4), field=5),
        training=TrainingConfig(epochs=40, batch=50),
    )


CIFAR = TrainingConfig(epochs=30, batch=100, jitter=2, mirror=True, weight_decay=0.1, validate_every=5)
"""What both networks on CIFAR-10 share: shifted and mirrored images, to overfit less."""


def recurrent_cifar10(layers: int) -> ImageRecipe:
    """The paper's maps of 32 × 32 places with three units each, local receptive fields and top-down
    connections; the true label competes with three wrong ones, as in `recurrent_fashion`."""
    return ImageRecipe(
        name=f"recurrent-cifar10-{layers}",
        paper="41 % (Hinton 2022 §4)",
        data="cifar-10",
        network=RecurrentConfig(
            hidden=(3072,) * layers,
            field=11,
            iterations=10,
            loss=(4, 6),
            window=(4, 6),
            activity="min",
            threshold=-1.0,
            objective="candidates",
        ),
        training=replace(CIFAR, negatives="hard-3", noise=0.3, hidden_noise=0.3),
    )


def scores_cifar10(layers: int) -> ImageRecipe:
    """The same receptive fields, bottom-up alone and without labels in the loop: every layer learns scores of
    the classes."""
    return ImageRecipe(
        name=f"scores-cifar10-{layers}",
        paper="–",
        data="cifar-10",
        network=FeedForwardConfig(
            hidden=(3072,) * layers,
            field=11,
            label="none",
            objective="classes",
            goodness="scores",
            sharpness=1.0,
            reads=tuple(range(1, layers + 1)),
        ),
        training=replace(CIFAR, negatives="none"),
    )


def backprop_cifar10(layers: int) -> ImageRecipe:
    """The same receptive fields without top-down connections, by backpropagation."""
    return ImageRecipe(
        name=f"backprop-cifar10-{layers}",
        paper=f"{ {2: 37, 3: 39}[layers] } % (Hinton 2022 §4)",
        data="cifar-10",
        network=BackpropConfig(hidden=(3072,) * layers, field=11),
        training=replace(CIFAR, rate=3e-4),
    )


MAKERS: tuple[Callable[[], ImageRecipe], ...] = (
    recurrent_digits,
    recurrent_mnist_small,
    recurrent_mnist_wide,
    recurrent_mnist_jitter,
    recurrent_mnist,
    recurrent_mnist_alternating,
    recurrent_fashion,
    recurrent_local_digits,
    *(
        partial(make, layers)
        for make in (recurrent_cifar10, scores_cifar10, backprop_cifar10)
        for layers in (2, 3)
    ),
)

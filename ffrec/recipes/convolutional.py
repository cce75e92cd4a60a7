"""Convolutional networks on images: local class scores, and Forward-Forward with negative data."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

from ffrec.config import ConvolutionalBackpropConfig, ConvolutionalConfig, ImageRecipe, TrainingConfig


def conv_digits() -> ImageRecipe:
    """8×8 digits that come with scikit-learn, in seconds."""
    return ImageRecipe(
        name="conv-digits",
        paper="–",
        data="digits",
        network=ConvolutionalConfig(hidden=(16, 32), pool=2, grid=2),
        training=TrainingConfig(epochs=20, batch=50, negatives="none"),
    )


def conv_cifar10() -> ImageRecipe:
    """CIFAR-10 in half an hour of one core with fast bfloat16 that does nothing else."""
    return ImageRecipe(
        name="conv-cifar10",
        paper="87 % error (slides, trial 8: another rule)",
        data="cifar-10",
        network=ConvolutionalConfig(hidden=(96, 192, 384, 512), pool=2, grid=2),
        training=TrainingConfig(
            epochs=30,
            batch=100,
            negatives="none",
            jitter=4,
            mirror=True,
            rate=2e-3,
            validate_every=5,
        ),
    )


def conv_cifar10_large() -> ImageRecipe:
    """CIFAR-10 with wider layers and images with a square cut out, in an hour and a half of one core."""
    own = conv_cifar10()
    network = ConvolutionalConfig(hidden=(128, 256, 512, 768), pool=2, grid=2)
    training = replace(own.training, epochs=40, cutout=8)
    return replace(own, name="conv-cifar10-large", network=network, training=training)


def conv_mnist() -> ImageRecipe:
    """MNIST with shifts of two pixels."""
    return ImageRecipe(
        name="conv-mnist",
        paper="0.64 % (Hinton 2022 §3.3: another net and rule, the same shifts)",
        data="mnist",
        network=ConvolutionalConfig(hidden=(64, 128, 256), pool=2, grid=(7, 7, 3)),
        training=TrainingConfig(
            epochs=20, batch=100, negatives="none", jitter=2, rate=2e-3, validate_every=5
        ),
    )


def conv_fashion() -> ImageRecipe:
    """Fashion-MNIST with shifts and mirror images."""
    return ImageRecipe(
        name="conv-fashion",
        paper="–",
        data="fashion-mnist",
        network=ConvolutionalConfig(hidden=(64, 128, 256), pool=2, grid=(7, 7, 3)),
        training=TrainingConfig(
            epochs=20, batch=100, negatives="none", jitter=2, mirror=True, rate=2e-3, validate_every=5
        ),
    )


def conv_cifar10_goodness() -> ImageRecipe:
    """Positive and negative data: every layer sees a label as maps of its own, and makes its goodness higher
    for the true one than for three that the softmax finds likely."""
    return ImageRecipe(
        name="conv-cifar10-goodness",
        paper="87 % error (slides, trials 7 and 8)",
        data="cifar-10",
        network=ConvolutionalConfig(
            hidden=(48, 96, 192, 384),
            label="apart",
            label_size=0.3,
            objective="candidates",
            goodness="squares",
            sharpness=30.0,
        ),
        training=TrainingConfig(
            epochs=10, batch=100, negatives="hard-3", jitter=2, mirror=True, rate=2e-3, validate_every=2
        ),
    )


def trial(number: int, paper: str, hidden: tuple[int, ...], **shape: Any) -> ImageRecipe:
    """A net of the slides, as they train it: labels over the first pixels, goodness of the whole map, the
    channels of every place divided by their length, layers in turn, here for an epoch each."""
    return ImageRecipe(
        name=f"conv-cifar10-trial-{number}",
        paper=f"{paper} % error (slides, trial {number}, 1000 epochs)",
        data="cifar-10",
        network=ConvolutionalConfig(
            hidden=hidden,
            grid=1,
            label="overwrite",
            sends="directions",
            in_turn=True,
            objective="logistic",
            goodness="squares",
            threshold=0.002,
            sharpness=1.0,
            reads=tuple(range(1, len(hidden) + 1)),
            **shape,
        ),
        training=TrainingConfig(
            epochs=len(hidden),
            batch=100,
            negatives="uniform",
            schedule="constant",
            validate_every=len(hidden),
        ),
    )


TRIALS: tuple[tuple[int, str, tuple[int, ...], dict[str, tuple[int, ...]]], ...] = (
    (7, "87", (64, 128, 256, 10), {"kernel": (5, 5, 5, 1), "stride": (1, 2, 2, 1), "pool": (1,) * 4}),
    (
        8,
        "87",
        (64, 64, 128, 128, 256, 256, 256, 512, 512, 512, 512, 512, 512),
        {"kernel": (3,) * 13, "pool": (1, 2, 1, 2, 1, 1, 2, 1, 1, 2, 1, 1, 1)},
    ),
    (
        9,
        "90",
        (64, 128, 256, 512, 1024, 2048, 10),
        {"kernel": (5,) * 6 + (1,), "stride": (1,) + (2,) * 5 + (1,), "pool": (1,) * 7},
    ),
)


def baseline(kind: str, own: ImageRecipe, **fields: Any) -> ImageRecipe:
    """The network of a convolutional recipe, trained otherwise on the same images."""
    assert isinstance(own.network, ConvolutionalConfig)  # for the type checker
    shape = {key: getattr(own.network, key) for key in ("hidden", "kernel", "pool", "grid")}
    training = replace(own.training, negatives=TrainingConfig().negatives, rate=1e-3)
    network = ConvolutionalBackpropConfig(**shape, **fields)
    return replace(own, name=f"{kind}-{own.name}", paper="–", network=network, training=training)


BASELINES: tuple[tuple[str, dict[str, Any]], ...] = (
    ("backprop", {}),
    ("deep", {"every_layer": True}),
    ("random", {"learns": "softmax"}),
)

MAKERS: tuple[Callable[[], ImageRecipe], ...] = (
    conv_digits,
    conv_cifar10,
    conv_cifar10_large,
    conv_mnist,
    conv_fashion,
    conv_cifar10_goodness,
    *(
        partial(baseline, kind, own(), **fields)
        for own in (conv_cifar10, conv_cifar10_large, conv_mnist, conv_fashion)
        for kind, fields in BASELINES
    ),
    *(partial(trial, number, paper, hidden, **shape) for number, paper, hidden, shape in TRIALS),
)

"""Convolutional networks of local class scores, on images."""

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
    """CIFAR-10 in half an hour on two cores with fast bfloat16."""
    return ImageRecipe(
        name="conv-cifar10",
        paper="13 % accuracy (slides, trial 8: another rule)",
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
    *(partial(baseline, kind, conv_cifar10(), **fields) for kind, fields in BASELINES),
)

"""Twin networks on images, and their ancestors FFCL and FFCM."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial

from ffrec.config import ImageRecipe, StagedConfig, TrainingConfig, TwinConfig

PAPER = "37 %, rising to 63 % accuracy (Gananath 2024 §3, 30 epochs)"


def twin_mnist() -> ImageRecipe:
    """Improved FFCL as its text has it: positive pairs alone. The text does not give the batch."""
    return ImageRecipe(
        name="twin-mnist",
        paper=PAPER,
        data="mnist",
        network=TwinConfig(agreement="cosine", output="binary", normalised=False),
        training=TrainingConfig(
            optimiser="Adam", rate=1e-4, softmax_rate=1e-4, schedule="constant", epochs=30, batch=512
        ),
    )


def ours(name: str, data: str, paper: str, network: TwinConfig, training: TrainingConfig) -> ImageRecipe:
    """Twins whose layers agree, with the label as a third view: as local, in one stage."""
    return ImageRecipe(name=name, paper=paper, data=data, network=network, training=training)


SMALL = TwinConfig(agreement="cosine", scores=10.0, reads=(1, 2))
WIDE = replace(SMALL, hidden=(500, 500))


def ffcl_mnist() -> ImageRecipe:
    """FFCL's three stages: local pairs, the last layer's pairs through the whole network, the classes. The
    last two are backpropagated; `stages=[["local",8],["softmax",4]]` leaves them out."""
    return ImageRecipe(
        name="ffcl-mnist",
        paper="+3.69 points on chest X-rays (Ahmed et al. 2023)",
        data="mnist",
        network=StagedConfig(agreement="pairs", stages=(("local", 4), ("global", 4), ("backprop", 4))),
        training=TrainingConfig(epochs=12, batch=256, schedule="constant", validate_every=4),
    )


def ffcm_mnist() -> ImageRecipe:
    """FFCM's two stages: encoder layers by supervised contrast with a margin, then a softmax on the frozen
    encoder."""
    return ImageRecipe(
        name="ffcm-mnist",
        paper="–",
        data="mnist",
        network=StagedConfig(margin=0.2, stages=(("local", 8), ("softmax", 4))),
        training=TrainingConfig(epochs=12, batch=256, schedule="constant", validate_every=4),
    )


RATES = TrainingConfig(epochs=30, batch=512, rate=3e-3, softmax_rate=3e-3, validate_every=5)
NOISY = replace(RATES, noise=0.3, hidden_noise=0.3)
MAKERS: tuple[Callable[[], ImageRecipe], ...] = (
    twin_mnist,
    partial(ours, "twin-mnist-labels", "mnist", PAPER, SMALL, RATES),
    partial(ours, "twin-mnist-wide", "mnist", PAPER, WIDE, NOISY),
    partial(ours, "twin-fashion", "fashion-mnist", "–", WIDE, NOISY),
    partial(ours, "twin-digits", "digits", "–", SMALL, TrainingConfig(epochs=30, batch=50, validate_every=5)),
    ffcl_mnist,
    ffcm_mnist,
)

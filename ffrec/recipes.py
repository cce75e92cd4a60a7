"""Every run that the README reports, as one complete configuration."""

import difflib
from collections.abc import Callable
from functools import partial

from ffrec.config import (
    BackpropConfig,
    CharacterConfig,
    ConfigError,
    FeedForwardConfig,
    ImageRecipe,
    Recipe,
    RecurrentConfig,
    TextRecipe,
    TextTraining,
    TrainingConfig,
)
from ffrec.phases import PHASES, Regime

PAPER = "Hinton 2022 §3.4"


def recurrent_digits() -> ImageRecipe:
    """The demo: 8×8 digits that come with scikit-learn, a minute on two cores."""
    return ImageRecipe(
        name="recurrent-digits",
        paper="–",
        data="digits",
        network=RecurrentConfig(hidden=(200, 200)),
        training=TrainingConfig(epochs=40, batch=50),
    )


def quick(*hidden: int) -> RecurrentConfig:
    """What was chosen on MNIST's validation images for two CPU cores: only as many iterations as judge a
    label, and little activity on positive data rather than much (slightly better: Hinton 2022 §9)."""
    return RecurrentConfig(hidden=hidden, iterations=5, loss=(2, 5), objective="min", threshold=-1.0)


def recurrent_mnist_small() -> ImageRecipe:
    """MNIST in minutes on two cores."""
    return ImageRecipe(
        name="recurrent-mnist-small",
        paper=f"1.31 % ({PAPER}, 2000 units a layer)",
        data="mnist",
        network=quick(500, 500),
        training=TrainingConfig(epochs=20, batch=100, dropout=0.2, validate_every=5),
    )


def recurrent_mnist_wide() -> ImageRecipe:
    """The best that two cores manage in an hour or so."""
    return ImageRecipe(
        name="recurrent-mnist-wide",
        paper=f"1.31 % ({PAPER}, 2000 units a layer)",
        data="mnist",
        network=quick(1000, 1000),
        training=TrainingConfig(epochs=45, batch=100, dropout=0.25, validate_every=5),
    )


def recurrent_mnist_jitter() -> ImageRecipe:
    """The same with images shifted by up to a pixel: no longer blind to the layout of the pixels."""
    return ImageRecipe(
        name="recurrent-mnist-jitter",
        paper="–",
        data="mnist",
        network=quick(1000, 1000),
        training=TrainingConfig(epochs=45, batch=100, jitter=1, dropout=0.1, validate_every=5),
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
    """The small network on Fashion-MNIST."""
    return ImageRecipe(
        name="recurrent-fashion",
        paper="–",
        data="fashion-mnist",
        network=quick(500, 500),
        training=TrainingConfig(epochs=20, batch=100, dropout=0.2, validate_every=5),
    )


def supervised_mnist() -> ImageRecipe:
    """The label in the image: four layers of 2000, little activity on positive data rather than much."""
    return ImageRecipe(
        name="supervised-mnist",
        paper="1.36 % (Hinton 2022 §3.3, 60 epochs)",
        data="mnist",
        network=FeedForwardConfig(objective="min", threshold=-1.0),
        training=TrainingConfig(epochs=30, batch=100, dropout=0.1, weight_decay=0.3, validate_every=5),
    )


def supervised_mnist_jitter() -> ImageRecipe:
    """The same with images shifted by up to two pixels; the paper's run has 500 epochs."""
    return ImageRecipe(
        name="supervised-mnist-jitter",
        paper="0.64 % (Hinton 2022 §3.3, 500 epochs)",
        data="mnist",
        network=FeedForwardConfig(objective="min", threshold=-1.0),
        training=TrainingConfig(epochs=60, batch=100, jitter=2, weight_decay=0.3, validate_every=10),
    )


def supervised_fashion() -> ImageRecipe:
    """Fashion-MNIST has no black border to write a label on: it is appended."""
    return ImageRecipe(
        name="supervised-fashion",
        paper="–",
        data="fashion-mnist",
        network=FeedForwardConfig(objective="min", threshold=-1.0, label="append"),
        training=TrainingConfig(epochs=30, batch=100, dropout=0.1, weight_decay=0.1, validate_every=5),
    )


def supervised_digits() -> ImageRecipe:
    """The embedded digits, in seconds; their borders are not black either."""
    return ImageRecipe(
        name="supervised-digits",
        paper="–",
        data="digits",
        network=FeedForwardConfig(hidden=(200, 200, 200), objective="min", threshold=-1.0, label="append"),
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


def rival(name: str, network: BackpropConfig) -> ImageRecipe:
    """What a user would pick instead of FF, on the same images."""
    return ImageRecipe(
        name=f"{name}-mnist",
        paper="1.4 % (Hinton 2022 §3.1)" if network.learns == "all" and network.hidden else "–",
        data="mnist",
        network=network,
        training=TrainingConfig(epochs=20, batch=100, validate_every=5),
    )


def paper_of_sleep(error: str, phases: str) -> str:
    """What the sleep paper states of a data set, as an error, at phases of one length."""
    return f"{error} at {phases} (Lică and Dinucu-Jianu 2023, table 1)" if error != "–" else "–"


def sleep(name: str, data: str, paper: str) -> ImageRecipe:
    """Days and nights of one batch each, by the rule of the paper that found how long ones are forgotten."""
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
            awake=1,
            asleep=1,
            validate_every=25,
        ),
    )


def sleep_cure(name: str, data: str, paper: str) -> ImageRecipe:
    """Days and nights of 128 batches each, more than an epoch, that are not forgotten: inputs count from the
    midpoint between them, synaptic scaling keeps goodness near the threshold, layers remember what the last
    phase of the other kind taught on average, and see a strong label."""
    return ImageRecipe(
        name=name,
        paper=paper_of_sleep(paper, "128 : 128"),
        data=data,
        network=FeedForwardConfig(
            hidden=(500, 500, 500), sharpness=20.0, centring=True, scaling=0.1, reads=(1, 2, 3)
        ),
        training=TrainingConfig(
            epochs=50,
            batch=512,
            negatives="uniform",
            rate=3.5e-4,
            awake=128,
            asleep=128,
            wake_rate=3.5e-4,
            baseline=0.75,
            validate_every=25,
        ),
    )


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


FIGURE_5 = "a curve without numbers (Hinton 2022, figure 5, 2000 units a layer)"


def figure_5(regime: Regime, small: bool) -> TextRecipe:
    """One curve of figure 5, or its neighbour: the paper's window, layers and full batches."""
    name = "teacher" if regime == "teacher-forced" else regime
    return TextRecipe(
        name=f"aesop-{name}-small" if small else f"aesop-{name}",
        paper=FIGURE_5 if regime in ("random", "together", "sleep") else "–",
        data="aesop",
        network=CharacterConfig(hidden=(500, 500, 500)) if small else CharacterConfig(),
        training=TextTraining(regime=regime, night=10, softmax_rate=3e-3),
    )


def sparse(*hidden: int, memory: float) -> CharacterConfig:
    """What was chosen on validation strings: recent characters count more, fewer units are active, hidden
    layers judge a window with the character after it, and a fast-weight memory recalls what followed."""
    return CharacterConfig(
        hidden=hidden,
        lookahead=True,
        recency=0.75,
        bias=-0.5,
        memory=memory,
        threshold=0.5,
        sharpness=60.0,
    )


def aesop_recall() -> TextRecipe:
    """The best on the paper's 248 strings."""
    return TextRecipe(
        name="aesop-recall",
        paper="–",
        data="aesop",
        network=sparse(2000, memory=20.0),
        training=TextTraining(
            regime="teacher-forced",
            epochs=3,
            passes=5,
            batch=25,
            rate=5e-4,
            softmax_rate=3e-3,
            softmax_weight_decay=1.0,
        ),
    )


def aesop_full() -> TextRecipe:
    """All strings that are not held out."""
    return TextRecipe(
        name="aesop-full",
        paper="–",
        data="aesop",
        network=sparse(2000, memory=26.0),
        training=TextTraining(
            strings=None,
            regime="teacher-forced",
            epochs=4,
            passes=5,
            batch=25,
            validate_every=4,
            softmax_rate=3e-3,
            softmax_weight_decay=0.3,
        ),
    )


def fables() -> TextRecipe:
    """The demo: our own retelling of Aesop, under a minute on two cores."""
    return TextRecipe(
        name="fables",
        paper="–",
        data="fables",
        network=sparse(500, memory=20.0),
        training=TextTraining(
            strings=None,
            regime="sleep",
            epochs=2,
            passes=3,
            batch=25,
            validate_every=2,
            rate=5e-4,
            softmax_rate=3e-3,
            softmax_weight_decay=1.0,
        ),
    )


MAKERS: tuple[Callable[[], Recipe], ...] = (
    recurrent_digits,
    recurrent_mnist_small,
    recurrent_mnist_wide,
    recurrent_mnist_jitter,
    recurrent_mnist,
    recurrent_mnist_alternating,
    recurrent_fashion,
    supervised_mnist,
    supervised_mnist_jitter,
    supervised_fashion,
    supervised_digits,
    unsupervised_mnist,
    local_mnist,
    partial(sleep, "sleep-mnist", "mnist", "11 %"),
    partial(sleep, "sleep-fashion", "fashion-mnist", "27 %"),
    sleep_digits,
    partial(sleep_cure, "sleep-mnist-cure", "mnist", "91 %"),
    partial(sleep_cure, "sleep-fashion-cure", "fashion-mnist", "90 %"),
    sleep_digits_cure,
    partial(threshold, 0.0, "6.82 %"),
    partial(threshold, 2.0, "6.42 %"),
    partial(threshold, 3.0, "6.42 %"),
    threshold_backprop,
    threshold_corrected,
    partial(rival, "backprop", BackpropConfig()),
    partial(rival, "random", BackpropConfig(learns="softmax", reads=(2, 3, 4))),
    partial(rival, "linear", BackpropConfig(hidden=())),
    *(partial(figure_5, regime, small) for small in (False, True) for regime in PHASES),
    aesop_recall,
    aesop_full,
    fables,
)
RECIPES = {make().name: make for make in MAKERS}


def recipe(name: str) -> Recipe:
    """The recipe of that name; raises ConfigError, naming the nearest one, if there is none."""
    if name in RECIPES:
        return RECIPES[name]()
    near = difflib.get_close_matches(name, RECIPES, n=1)
    hint = f"did you mean {near[0]}?" if near else f"choose from {', '.join(RECIPES)}"
    raise ConfigError(f"unknown recipe {name!r}: {hint}")

"""Character networks, on fables."""

from collections.abc import Callable
from functools import partial
from typing import Any

from ffrec.config import CharacterConfig, GoodnessCharacterConfig, TextRecipe, TextTraining

REGIMES = ("random", "together", "sleep", "teacher-forced", "night")
FIGURE_5 = "a curve without numbers (Hinton 2022, figure 5, 2000 units a layer)"


def figure_5(regime: str, small: bool) -> TextRecipe:
    """One curve of figure 5, or its neighbour: the paper's window, layers and full batches."""
    name = "teacher" if regime == "teacher-forced" else regime
    return TextRecipe(
        name=f"aesop-{name}-small" if small else f"aesop-{name}",
        paper=FIGURE_5 if regime in ("random", "together", "sleep") else "–",
        data="aesop",
        network=CharacterConfig(hidden=(500, 500, 500)) if small else CharacterConfig(),
        training=TextTraining(regime=regime, night=10 if regime == "night" else 1, softmax_rate=3e-3),
    )


def sparse(*hidden: int, memory: float) -> CharacterConfig:
    """What was chosen on validation strings: recent characters count more, fewer units are active, hidden
    layers see a window with the character after it, and a fast-weight memory recalls what followed."""
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


def by_goodness(
    name: str, data: str, *hidden: int, fading: float = 0.65, state: bool = False, **training: Any
) -> TextRecipe:
    """Every next character is tried, and each layer scores it by its goodness. Chosen on validation strings:
    recent characters count more and are learnt faster, few units are active at first, the character that is
    tried begins small beside the window, and so does a state, and only the first layer has dropout."""
    settings = {
        "strings": None,
        "regime": "teacher-forced",
        "passes": 1,
        "batch": 6,
        "rate": 4e-3,
        "schedule": "linear",
    }
    return TextRecipe(
        name=name,
        paper="–",
        data=data,
        network=GoodnessCharacterConfig(
            hidden=hidden,
            sharpness=40.0,
            recency=1.0,
            fading=fading,
            bias=(-0.8,) * len(hidden),
            candidate_size=0.2,
            state=int(state),
            state_size=0.1 if state else 1.0,
        ),
        training=TextTraining(**settings | training),
    )


def aesop_goodness(state: bool) -> TextRecipe:
    """The paper's 248 strings, predicted by goodness, without a state or with one."""
    return by_goodness(
        "aesop-state" if state else "aesop-goodness",
        "aesop",
        500,
        300,
        state=state,
        strings=248,
        epochs=12,
        hidden_dropout=(0.5, 0.0),
        validate_every=6,
    )


def aesop_goodness_full(state: bool) -> TextRecipe:
    """All strings that are not held out. With a state it learns faster, and needs fewer passes and more
    dropout."""
    return by_goodness(
        "aesop-state-full" if state else "aesop-goodness-full",
        "aesop",
        800,
        400,
        fading=0.7,
        state=state,
        rate=3e-3,
        epochs=10 if state else 16,
        hidden_dropout=(0.5 if state else 0.3, 0.0),
        validate_every=5 if state else 4,
    )


def shakespeare() -> TextRecipe:
    """A megabyte of plays in 65 symbols: a longer window; in a trial that is not recorded, dropout did
    worse in as many epochs."""
    made = by_goodness("shakespeare-goodness", "shakespeare", 400, epochs=3)
    return made.override({"window": 16})


MAKERS: tuple[Callable[[], TextRecipe], ...] = (
    *(partial(figure_5, regime, small) for small in (False, True) for regime in REGIMES),
    aesop_recall,
    aesop_full,
    fables,
    *(partial(aesop_goodness, state) for state in (False, True)),
    *(partial(aesop_goodness_full, state) for state in (False, True)),
    shakespeare,
    partial(
        by_goodness,
        "fables-goodness",
        "fables",
        200,
        100,
        epochs=8,
        hidden_dropout=(0.4, 0.0),
        validate_every=4,
    ),
)

"""Local rules and baselines side by side: same layers, images and epochs, another rule in every row."""

import difflib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase
from typing import Any

from ffrec.config import (
    BackpropConfig,
    ConfigError,
    ConvolutionalBackpropConfig,
    ConvolutionalConfig,
    FeedForwardConfig,
    ImageRecipe,
    TrainingConfig,
)
from ffrec.reports.groups import Group, groups
from ffrec.reports.summary import Summary
from ffrec.reports.tables import table
from ffrec.storage.files import RunError
from ffrec.tasks.recorded import plain

Network = (
    type[FeedForwardConfig]
    | type[BackpropConfig]
    | type[ConvolutionalConfig]
    | type[ConvolutionalBackpropConfig]
)


@dataclass(frozen=True)
class Variant:
    """One rule by which layers learn, in the settings of a recipe."""

    source: str
    """The publication that the rule is of."""
    differs: str
    """What is not as in the publication, beside layers, images and epochs."""
    network: Mapping[str, Any] = field(default_factory=dict)
    training: Mapping[str, Any] = field(default_factory=dict)
    kind: Network = FeedForwardConfig


ALL = {"reads": (1, 2, 3)}
"""The softmax, and goodness where it predicts, is of all three layers."""
TRIED = ALL | {"label": "append", "activity": "min", "threshold": -1.0}
"""Labels are tried beside the image, and make little activity if they are right."""
CLASSES = ALL | {"label": "none", "objective": "classes", "sharpness": 1.0}
"""Every layer scores all classes, and has a cross-entropy of its own."""
ABSENT = {"negatives": "none"}
UNLABELLED = ALL | {"label": "none"}
"""Images are told from mixed ones; what layers learn of that, a softmax reads."""

VARIANTS = {
    "ff": Variant("Hinton 2022 §3.3", "little activity on positive data; a sharp logit", TRIED),
    "symba": Variant(
        "Lee and Song 2023",
        "the label is beside the image, and not in every layer",
        TRIED | {"objective": "pairwise"},
    ),
    "candidates": Variant("ffrec", "–", TRIED | {"objective": "candidates"}, {"negatives": "hard-3"}),
    "hybrids": Variant("Hinton 2022 §3.2", "–", UNLABELLED, {"negatives": "hybrid"}),
    "scff": Variant(
        "Chen et al. 2025 (SCFF)",
        "layers learn in step; no penalty of the sum of goodness",
        UNLABELLED,
        {"negatives": "pairs"},
    ),
    "cwcomp": Variant(
        "Papachristodoulou et al. 2024 (CwComp)",
        "groups of units in place of channels",
        CLASSES | {"blocks": 10},
        ABSENT,
    ),
    "deeperforward": Variant(
        "Sun et al. 2025 (DeeperForward)",
        "groups of units in place of channels; no residual connections",
        CLASSES | {"blocks": 10, "goodness": "activities"},
        ABSENT,
    ),
    "asge": Variant(
        "Gong, Staszewski and Xu 2025 (ASGE)",
        "units in place of pooled maps; scores of the normalised activities, not of their squares",
        CLASSES | {"goodness": "random-scores"},
        ABSENT,
    ),
    "mono-forward": Variant(
        "Gong, Li and Abdulla 2025 (Mono-Forward)",
        "layers send activities of unit mean square",
        CLASSES | {"goodness": "scores"},
        ABSENT,
    ),
    "hff": Variant(
        "Sarode et al. 2026 (HFF)",
        "a logit of 16 times the cosine",
        CLASSES | {"goodness": "prototypes", "sharpness": 16.0},
        ABSENT,
    ),
    "backprop": Variant("–", "–", kind=BackpropConfig),
    "random": Variant("–", "–", {"learns": "softmax"} | ALL, kind=BackpropConfig),
}
SHOWN = {"label": "apart", "label_size": 0.3, "goodness": "squares", "sharpness": 30.0}
"""Labels are tried as maps in every layer, and make much activity if they are right."""
MAPS = {
    "ff": Variant(
        "Hinton 2022 §3.3",
        "labels as maps in every layer; a sharp logit",
        SHOWN | {"objective": "logistic"},
        kind=ConvolutionalConfig,
    ),
    "symba": Variant(
        "Lee and Song 2023",
        "the label's maps are learnt with the layers",
        SHOWN | {"objective": "pairwise"},
        kind=ConvolutionalConfig,
    ),
    "candidates": Variant(
        "ffrec", "–", SHOWN | {"objective": "candidates"}, {"negatives": "hard-3"}, ConvolutionalConfig
    ),
    "cwcomp": Variant(
        "Papachristodoulou et al. 2024 (CwComp)",
        "no convolutions within groups; one learning rate",
        {"goodness": "squares", "blocks": 10},
        ABSENT,
        ConvolutionalConfig,
    ),
    "deeperforward": Variant(
        "Sun et al. 2025 (DeeperForward)",
        "no residual connections",
        {"goodness": "activities", "blocks": 10},
        ABSENT,
        ConvolutionalConfig,
    ),
    "asge": Variant(
        "Gong, Staszewski and Xu 2025 (ASGE)",
        "scores of the normalised activities, not of their squares",
        {"goodness": "random-scores"},
        ABSENT,
        ConvolutionalConfig,
    ),
    "mono-forward": Variant(
        "Gong, Li and Abdulla 2025 (Mono-Forward)",
        "layers send activities of unit mean square",
        {"goodness": "scores"},
        ABSENT,
        ConvolutionalConfig,
    ),
    "hff": Variant(
        "Sarode et al. 2026 (HFF)",
        "a logit of 16 times the cosine",
        {"goodness": "prototypes", "sharpness": 16.0},
        ABSENT,
        ConvolutionalConfig,
    ),
    "backprop": Variant("–", "–", kind=ConvolutionalBackpropConfig),
    "deep": Variant(
        "Lee et al. 2015",
        "a loss in every layer, and all of them travel back",
        {"every_layer": True},
        kind=ConvolutionalBackpropConfig,
    ),
    "random": Variant("–", "–", {"learns": "softmax"}, kind=ConvolutionalBackpropConfig),
}
"""The same rules in convolutions; those without labels would need hybrids of colour images."""


@dataclass(frozen=True)
class Budget:
    """What all variants have on a data set."""

    hidden: tuple[int, ...]
    """Units, or channels, of the layers."""
    training: TrainingConfig
    variants: Mapping[str, Variant] = field(default_factory=lambda: VARIANTS)


IMAGES = TrainingConfig(epochs=10, batch=250, weight_decay=0.1)
COLOURS = TrainingConfig(epochs=10, batch=100, jitter=4, mirror=True)
DATA = {
    "mnist": Budget((1000, 1000, 1000), IMAGES),
    "fashion-mnist": Budget((1000, 1000, 1000), IMAGES),
    "cifar-10": Budget((40, 80, 160, 320), COLOURS, MAPS),
    "digits": Budget((200, 200, 200), TrainingConfig(epochs=40, batch=50, weight_decay=0.1)),
}
CELLS = {f"{data}-{variant}": (data, variant) for data, budget in DATA.items() for variant in budget.variants}
CHOSEN: Mapping[str, Mapping[str, float]] = {
    "mnist-ff": {"rate": 0.001, "sharpness": 120.0},
    "mnist-symba": {"rate": 0.001},
    "mnist-candidates": {"rate": 0.001},
    "mnist-hybrids": {"rate": 0.001},
    "mnist-scff": {"rate": 0.001},
    "mnist-cwcomp": {"rate": 0.01, "sharpness": 4.0},
    "mnist-deeperforward": {"rate": 0.01, "sharpness": 4.0},
    "mnist-asge": {"rate": 0.001},
    "mnist-mono-forward": {"rate": 0.001},
    "mnist-hff": {"rate": 0.001},
    "mnist-backprop": {"rate": 0.003},
    "mnist-random": {"softmax_rate": 0.01},
    "fashion-mnist-ff": {"rate": 0.001, "sharpness": 120.0},
    "fashion-mnist-symba": {"rate": 0.001},
    "fashion-mnist-candidates": {"rate": 0.001},
    "fashion-mnist-hybrids": {"rate": 0.0003, "sharpness": 120.0},
    "fashion-mnist-scff": {"rate": 0.0003, "sharpness": 120.0},
    "fashion-mnist-cwcomp": {"rate": 0.003},
    "fashion-mnist-deeperforward": {"rate": 0.01},
    "fashion-mnist-asge": {"rate": 0.001},
    "fashion-mnist-mono-forward": {"rate": 0.001},
    "fashion-mnist-hff": {"rate": 0.001},
    "fashion-mnist-backprop": {"rate": 0.001},
    "fashion-mnist-random": {"softmax_rate": 0.003},
}
"""The rate and the sharpness that were best on validation images: `benchmarks/variants.py`."""
HEAD = (
    "data",
    "variant",
    "source",
    "differs in",
    "seeds",
    "test error by goodness, %",
    "by softmax, %",
    "epochs",
    "minutes",
)


def chosen(patterns: Sequence[str], settings: Mapping[str, Any]) -> dict[str, ImageRecipe]:
    """The recipe of every cell whose name matches any of the patterns, by that name, with `settings` on top;
    without patterns all cells but those of the digits. Raises ConfigError for a pattern that matches none.
    """
    for pattern in patterns:
        if not any(fnmatchcase(name, pattern) for name in CELLS):
            near = difflib.get_close_matches(pattern, CELLS, n=1)
            hint = f"did you mean {near[0]!r}?" if near else f"choose from {', '.join(CELLS)}"
            raise ConfigError(f"no cell matches {pattern!r}: {hint}")
    asked = patterns or ("mnist-*", "fashion-mnist-*", "cifar-10-*")
    names = [name for name in CELLS if any(fnmatchcase(name, pattern) for pattern in asked)]
    return {name: recipe_of(name, settings) for name in names}


def recipe_of(name: str, settings: Mapping[str, Any], chosen: bool = True) -> ImageRecipe:
    """The recipe of a cell with `settings` on top, validated after its last epoch; without those `chosen` for
    it on validation images, where it is they that are to be chosen."""
    data, called = CELLS[name]
    budget = DATA[data]
    variant = budget.variants[called]
    made = ImageRecipe(
        name=f"variant-{name}",
        paper="–",
        data=data,
        network=variant.kind(hidden=budget.hidden, **variant.network),
        training=replace(budget.training, **variant.training),
    ).override({**(CHOSEN.get(name, {}) if chosen else {}), **settings})
    if "validate_every" in settings:
        return made
    return made.override({"validate_every": made.training.epochs})


def variants_table(runs: Iterable[Summary]) -> str:
    """A row for every cell that has finished runs, mean ± standard deviation over their seeds; runs that
    differ in anything else have rows of their own. "" without any.

    Raises RunError where two runs of a row have the same seed.
    """
    defaults = {recipe.name: plain(recipe) for recipe in chosen(["*"], {}).values()}
    return table(HEAD, [cells(group) for group in groups(runs, defaults) if group.name in defaults])


def cells(group: Group) -> list[str]:
    """One row: what differs between seeds as a mean."""
    data, called = CELLS[group.name.removeprefix("variant-")]
    variant, seeds = DATA[data].variants[called], [result["seed"] for result in group.results]
    if len({*seeds}) < len(seeds):
        raise RunError(f"{group.name}: expected runs with different seeds, found {seeds}: leave a folder out")
    scored = group.first.measure == "error_goodness"
    return [
        data,
        f"{called}{group.settings}{group.arithmetic}",
        variant.source,
        variant.differs,
        str(len(seeds)),
        group.of_test("error_goodness") if scored else "–",
        group.of_test("error_softmax"),
        str(group.first.recipe["training"]["epochs"]),
        group.minutes,
    ]

"""The menu of `ffrec sweep variants`: rules, budgets, and the settings that a search has chosen."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from ffrec.config import (
    BackpropConfig,
    ConvolutionalBackpropConfig,
    ConvolutionalConfig,
    FeedForwardConfig,
    TrainingConfig,
)

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
GROUPS = {"blocks": 10}
"""Groups of channels, one for each class."""
LAST = {"reads": (3, 4)}
"""What the softmax reads of convolutions that learn locally."""


def of_maps(name: str, differs: str, **network: Any) -> Variant:
    """A rule of `VARIANTS` in convolutions, with what is not as in its publication there."""
    return replace(VARIANTS[name], differs=differs, network=network, kind=ConvolutionalConfig)


MAPS = {
    "ff": of_maps("ff", "labels as maps in every layer; a sharp logit", **SHOWN, objective="logistic"),
    "symba": of_maps("symba", "labels as maps that are learnt", **SHOWN, objective="pairwise"),
    "candidates": of_maps("candidates", "–", **SHOWN, objective="candidates"),
    "cwcomp": of_maps("cwcomp", "no convolutions within groups", goodness="squares", **GROUPS),
    "deeperforward": of_maps("deeperforward", "no residual connections", goodness="activities", **GROUPS),
    "asge": of_maps(
        "asge", "scores of the normalised activities, not of their squares", goodness="random-scores"
    ),
    "mono-forward": of_maps("mono-forward", "layers send activities of unit mean square", goodness="scores"),
    "hff": of_maps("hff", "a logit of 16 times the cosine", goodness="prototypes", sharpness=16.0),
    "backprop": Variant("–", "–", kind=ConvolutionalBackpropConfig),
    "deep": Variant(
        "Lee et al. 2015",
        "a loss in every layer, and all of them travel back",
        {"every_layer": True},
        kind=ConvolutionalBackpropConfig,
    ),
    "random": Variant("–", "–", {"learns": "softmax"} | LAST, kind=ConvolutionalBackpropConfig),
}
"""Rules in convolutions; those without labels would need hybrids of colour images."""


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
    "mnist-hybrids": {"rate": 0.001, "softmax_rate": 0.01},
    "mnist-scff": {"rate": 0.001, "softmax_rate": 0.01},
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
    "fashion-mnist-hybrids": {"rate": 0.0003, "sharpness": 120.0, "softmax_rate": 0.01},
    "fashion-mnist-scff": {"rate": 0.0003, "sharpness": 120.0, "softmax_rate": 0.01},
    "fashion-mnist-cwcomp": {"rate": 0.003},
    "fashion-mnist-deeperforward": {"rate": 0.01},
    "fashion-mnist-asge": {"rate": 0.001},
    "fashion-mnist-mono-forward": {"rate": 0.001},
    "fashion-mnist-hff": {"rate": 0.001},
    "fashion-mnist-backprop": {"rate": 0.001},
    "fashion-mnist-random": {"softmax_rate": 0.003},
    "cifar-10-ff": {"rate": 0.001},
    "cifar-10-symba": {"rate": 0.003},
    "cifar-10-candidates": {"rate": 0.003, "sharpness": 120.0},
    "cifar-10-cwcomp": {"rate": 0.003, "sharpness": 4.0},
    "cifar-10-deeperforward": {"rate": 0.01, "sharpness": 4.0},
    "cifar-10-asge": {"rate": 0.003},
    "cifar-10-mono-forward": {"rate": 0.01},
    "cifar-10-hff": {"rate": 0.003},
    "cifar-10-backprop": {"rate": 0.003, "softmax_rate": 0.003},
    "cifar-10-deep": {"rate": 0.001, "softmax_rate": 0.003},
    "cifar-10-random": {"softmax_rate": 0.01},
}
"""The settings that were best on validation images: `benchmarks/variants.py`."""

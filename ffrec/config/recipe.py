"""Recipes: complete runs as frozen, validated dataclasses, with overrides by key."""

import dataclasses
import difflib
import json
from collections.abc import Mapping
from typing import Annotated, Any, Self, TypeVar

from pydantic import Discriminator, Tag, TypeAdapter, ValidationError, model_validator
from pydantic.dataclasses import dataclass

from ffrec.config.base import STRICT, ConfigError
from ffrec.config.networks import BackpropConfig, CharacterConfig, FeedForwardConfig, RecurrentConfig
from ffrec.config.training import TextTraining, TrainingConfig

R = TypeVar("R")


class Settings:
    """What all recipes have in common: fields that `--set` can replace."""

    def override(self, values: Mapping[str, Any]) -> Self:
        """The same recipe with some fields of `network` or `training` replaced.

        Raises ConfigError for an unknown key (naming the nearest one), a wrong type or value.
        """
        changed = dataclasses.asdict(self)  # type: ignore[call-overload]
        rooms = {key: room for room in ("network", "training") for key in changed[room]}
        for key, value in values.items():
            if key not in rooms:
                near = difflib.get_close_matches(key, rooms, n=1)
                hint = f"did you mean {near[0]}?" if near else f"choose from {', '.join(sorted(rooms))}"
                raise ConfigError(f"unknown key {key!r} for --set: {hint}")
            changed[rooms[key]][key] = value
        return validated(type(self), changed)


def kind(network: Any) -> str:
    """Which of the image networks a configuration, or its plain values, is of."""
    if not isinstance(network, dict):
        return type(network).__name__
    own = {"iterations": RecurrentConfig, "learns": BackpropConfig}
    return next((of.__name__ for key, of in own.items() if key in network), FeedForwardConfig.__name__)


ImageNetwork = Annotated[
    Annotated[RecurrentConfig, Tag("RecurrentConfig")]
    | Annotated[FeedForwardConfig, Tag("FeedForwardConfig")]
    | Annotated[BackpropConfig, Tag("BackpropConfig")],
    Discriminator(kind),
]


@dataclass(frozen=True, config=STRICT)
class ImageRecipe(Settings):
    """One complete run on images: what the README reports, and what a run folder records."""

    name: str
    paper: str
    """The result it reproduces, and where the paper states it."""
    data: str
    network: ImageNetwork
    training: TrainingConfig

    @model_validator(mode="after")
    def consistent(self) -> Self:
        hybrid = self.training.negatives == "hybrid"
        if isinstance(self.network, RecurrentConfig) and hybrid:
            raise ValueError("negatives: hybrid images need a feed-forward network, found a recurrent one")
        unlabelled = getattr(self.network, "label", "") == "none"
        if unlabelled and not hybrid:
            raise ValueError("negatives: label none leaves no label to be wrong: use negatives hybrid")
        if (unlabelled or not hybrid) and self.training.hybrid_labels != "shuffled":
            raise ValueError(
                "hybrid_labels: expected negatives hybrid and a network with labels, found negatives "
                f"{self.training.negatives}{', label none' if unlabelled else ''}: leave it out"
            )
        if isinstance(self.network, BackpropConfig):
            for name in ("awake", "asleep", "negatives", "repeats"):
                if getattr(self.training, name) != getattr(TrainingConfig(), name):
                    raise ValueError(f"{name}: backpropagation has no negative data: leave it out")
        if self.training.permute is not None and getattr(self.network, "label", "") == "overwrite":
            raise ValueError("permute: the label would cover other pixels than the border: use label append")
        return self


@dataclass(frozen=True, config=STRICT)
class TextRecipe(Settings):
    """One complete run on a text: what the README reports, and what a run folder records."""

    name: str
    paper: str
    """The result it reproduces, and where the paper states it."""
    data: str
    network: CharacterConfig
    training: TextTraining

    @model_validator(mode="after")
    def consistent(self) -> Self:
        if (self.network.centring or self.network.scaling) and not self.training.awake:
            raise ValueError("centring and scaling of characters are for days and nights apart: give awake")
        return self


Recipe = ImageRecipe | TextRecipe


def recipe_from(values: Mapping[str, Any]) -> Recipe:
    """A validated recipe from plain values, as a run folder holds them; raises ConfigError."""
    if "regime" in values.get("training", {}):
        return validated(TextRecipe, values)
    return validated(ImageRecipe, values)


def validated(kind: type[R], values: Mapping[str, Any]) -> R:
    """A recipe of one kind from plain values; raises ConfigError."""
    try:
        return TypeAdapter(kind).validate_json(json.dumps(values), strict=True)
    except ValidationError as error:
        fault, *others = error.errors()
        room, *place = [str(part) for part in fault["loc"] if not str(part).endswith("Config")] or [""]
        where = ".".join([room, *place[:1]])
        found = "" if isinstance(fault["input"], dict) else f", found {fault['input']!r}"
        also = [other["msg"] for other in others if other["loc"][:-1] == fault["loc"][:-1]]  # of a union
        said = ", or: ".join([fault["msg"].removeprefix("Value error, "), *also])
        raise ConfigError(f"{where}: {said}{found}".removeprefix(": ")) from None

"""Recipes: complete runs as frozen, validated dataclasses, with overrides by key."""

import dataclasses
import difflib
import json
from collections.abc import Mapping
from typing import Annotated, Any, Self, TypeVar

from pydantic import BeforeValidator, TypeAdapter, ValidationError, model_validator
from pydantic.dataclasses import dataclass

from ffrec import registry
from ffrec.config.aliases import modern
from ffrec.config.base import STRICT, ConfigError
from ffrec.config.networks import BackpropConfig, CharacterConfig, FeedForwardConfig, LayerConfig
from ffrec.config.training import TextTraining, TrainingConfig

R = TypeVar("R", bound="Settings")


class Settings:
    """What all recipes have in common: fields that `--set` can replace."""

    def override(self, values: Mapping[str, Any]) -> Self:
        """The same recipe with some fields of `network` or `training` replaced.

        Raises ConfigError for an unknown key (naming the nearest one), a wrong type or value.
        """
        changed = dataclasses.asdict(self)  # type: ignore[call-overload]
        parts = {key: part for part in ("network", "training") for key in changed[part] if key != "kind"}
        for key, value in values.items():
            if key not in parts:
                near = difflib.get_close_matches(key, parts, n=1)
                hint = f"did you mean {near[0]}?" if near else f"choose from {', '.join(sorted(parts))}"
                raise ConfigError(f"unknown key {key!r} for --set: {hint}")
            changed[parts[key]][key] = value
        return validated(type(self), changed)


def by_kind(values: Any) -> Any:
    """A network's configuration from its plain values, by the `kind` that they name."""
    if not isinstance(values, Mapping):
        return values
    try:
        kind = registry.pick("config", str(values.get("kind")))
    except registry.UnknownName as error:
        raise ValueError(str(error).replace("unknown config", "unknown kind of network")) from None
    made: Any = TypeAdapter(kind).validate_json(json.dumps(values), strict=True)
    return made


@dataclass(frozen=True, config=STRICT)
class ImageRecipe(Settings):
    """One complete run on images: what the README reports, and what a run folder records."""

    name: str
    paper: str
    """The result it reproduces, and where the paper states it."""
    data: str
    network: Annotated[LayerConfig | BackpropConfig, BeforeValidator(by_kind)]
    training: TrainingConfig

    @model_validator(mode="after")
    def consistent(self) -> Self:
        network, training = self.network, self.training
        if isinstance(network, CharacterConfig):
            raise ValueError("network: a character network reads strings, not images: choose another kind")
        hybrid = training.negatives == "hybrid"
        unlabelled = isinstance(network, FeedForwardConfig) and network.label == "none"
        if hybrid and not isinstance(network, FeedForwardConfig):
            raise ValueError(f"negatives: hybrid images need a feed-forward network, found {network.kind}")
        by_class = isinstance(network, LayerConfig) and network.objective == "classes"
        if by_class != (training.negatives == "none"):
            raise ValueError("negatives: none belongs to objective classes, which has no negative data")
        if unlabelled and not hybrid and not by_class:
            raise ValueError("negatives: label none leaves no label to be wrong: use negatives hybrid")
        if (unlabelled or not hybrid) and training.hybrid_labels != "shuffled":
            raise ValueError(
                "hybrid_labels: expected negatives hybrid and a network with labels, found negatives "
                f"{training.negatives}{', label none' if unlabelled else ''}: leave it out"
            )
        if isinstance(network, LayerConfig) and training.wake and network.objective != "logistic":
            raise ValueError(
                f"wake: objective {network.objective} compares candidates of one update: leave it out"
            )
        if isinstance(network, BackpropConfig):
            for name in ("wake", "sleep", "negatives", "repeats"):
                if getattr(training, name) != getattr(TrainingConfig(), name):
                    raise ValueError(f"{name}: backpropagation has no negative data: leave it out")
        covered = isinstance(network, FeedForwardConfig) and network.label == "overwrite"
        if covered and training.permute is not None:
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
        if (self.network.centring or self.network.scaling) and not self.training.wake:
            raise ValueError("centring and scaling of characters are for wake and sleep phases: give wake")
        if self.network.objective == "classes" and self.training.regime != "teacher-forced":
            raise ValueError(
                "objective classes has no negative strings: expected regime teacher-forced, found "
                f"{self.training.regime}"
            )
        return self


Recipe = ImageRecipe | TextRecipe


def recipe_from(values: Mapping[str, Any]) -> Recipe:
    """A validated recipe from plain values, as a run folder of any version holds them; raises ConfigError."""
    values = modern(values)
    if values["network"].get("kind") == "character":
        return validated(TextRecipe, values)
    return validated(ImageRecipe, values)


def validated(kind: type[R], values: Mapping[str, Any]) -> R:
    """A recipe of one kind from plain values; raises ConfigError."""
    try:
        return TypeAdapter(kind).validate_json(json.dumps(values), strict=True)
    except ValidationError as error:
        raise ConfigError(first_fault(error)) from None


def first_fault(error: ValidationError) -> str:
    """The first fault that pydantic found, in one line."""
    fault = error.errors()[0]
    room, *place = [str(part) for part in fault["loc"] if not str(part).endswith("Config")] or [""]
    where = ".".join([room, *place[:1]])
    found = "" if isinstance(fault["input"], dict) else f", found {fault['input']!r}"
    return f"{where}: {fault['msg'].removeprefix('Value error, ')}{found}".removeprefix(": ")

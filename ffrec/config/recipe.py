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
from ffrec.config.backprop import BaselineConfig
from ffrec.config.base import STRICT, ConfigError, check_plain
from ffrec.config.character import TextNetworkConfig
from ffrec.config.layers import LayerConfig
from ffrec.config.training import TextTraining, TrainingConfig
from ffrec.config.twin import AgreementConfig

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
                explained = f"`ffrec recipe NAME --explain` explains those of {changed['name']}"
                hint = f"did you mean {near[0]}?" if near else explained
                raise ConfigError(f"unknown setting {key!r}: {hint}")
            changed[parts[key]][key] = value
        return validated(type(self), changed)

    def meanings(self) -> dict[str, str]:
        """What every setting of `network` and `training` means, by its name."""
        parts = (self.network, self.training)  # type: ignore[attr-defined]
        return {
            field.name: meaning(type(part), field.name)
            for part in parts
            for field in dataclasses.fields(part)
        }


def meaning(config: type, setting: str) -> str:
    """What the class that says it first, from a configuration up, says of a setting; empty if none does."""
    own = (getattr(base, "__pydantic_fields__", {}).get(setting) for base in config.__mro__)
    return next((" ".join(field.description.split()) for field in own if field and field.description), "")


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
    network: Annotated[LayerConfig | BaselineConfig | AgreementConfig, BeforeValidator(by_kind)]
    training: TrainingConfig

    @model_validator(mode="after")
    def consistent(self) -> Self:
        if self.network.on != "images":
            raise ValueError(
                f"network: {self.network.kind} is trained on {self.network.on}: choose another kind"
            )
        self.network.suits(self.training)
        return self


@dataclass(frozen=True, config=STRICT)
class TextRecipe(Settings):
    """One complete run on a text: what the README reports, and what a run folder records."""

    name: str
    paper: str
    """The result it reproduces, and where the paper states it."""
    data: str
    network: Annotated[TextNetworkConfig, BeforeValidator(by_kind)]
    training: TextTraining

    @model_validator(mode="after")
    def consistent(self) -> Self:
        self.network.suits_text(self.training)
        return self


Recipe = ImageRecipe | TextRecipe


def recipe_from(values: object) -> Recipe:
    """A validated recipe from plain values, as a run folder of any version holds them; raises ConfigError."""
    values = modern(values)
    try:
        on = registry.pick("config", str(values["network"]["kind"])).on
    except registry.UnknownName as error:
        raise ConfigError(str(error).replace("unknown config", "unknown kind of network")) from None
    if on == "text":
        return validated(TextRecipe, values)
    return validated(ImageRecipe, values)


def validated(kind: type[R], values: Mapping[str, Any]) -> R:
    """A recipe of one kind from plain values; raises ConfigError."""
    check_plain(values, "")
    try:
        return TypeAdapter(kind).validate_json(json.dumps(values), strict=True)
    except ValidationError as error:
        raise ConfigError(first_fault(error)) from None


def first_fault(error: ValidationError) -> str:
    """The first fault that pydantic found, in one line."""
    fault = error.errors()[0]
    room, *place = [str(part) for part in fault["loc"] if not str(part).endswith("Config")] or [""]
    where = ".".join([room, *place[:1]])
    shown = isinstance(fault["input"], dict) or "unknown" in fault["msg"]
    found = "" if shown else f", found {fault['input']!r}"
    return f"{where}: {fault['msg'].removeprefix('Value error, ')}{found}".removeprefix(": ")

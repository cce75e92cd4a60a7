"""What a search may choose from: settings of a recipe by name, with a range or a list of choices each."""

import difflib
import json
import math
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from types import UnionType
from typing import Any, Self, Union, get_args, get_origin, get_type_hints

import optuna
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)

from ffrec.config import ConfigError, Recipe
from ffrec.reports.summary import flat
from ffrec.tasks.recorded import plain

DIGITS = 4  # significant, of a number from a range without steps: commands stay readable
EXPECTED = "{low = …, high = …}, with log = true or step = … if wanted, or a list of choices"
BOUNDS = {"low": (int, float), "high": (int, float), "step": (int, float), "log": (bool,)}
NOT_SEARCHED = {
    "train_on_validation": "a search measures on validation images",
    "validate_every": "it changes nothing that is learnt: use --set",
}


@dataclass(frozen=True)
class Space:
    """Settings that a search chooses, as the file says and as Optuna's distributions, by name."""

    values: Mapping[str, Any]
    distributions: Mapping[str, BaseDistribution]

    @classmethod
    def read(cls, file: Path, recipe: Recipe) -> Self:
        """The space that a TOML file describes, for a recipe; raises ConfigError, naming the file."""
        try:
            values = tomllib.loads(file.read_text(encoding="utf-8"))
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise ConfigError(
                f"{file}: expected TOML such as rate = {{low = 1e-4, high = 1e-2, log = true}}, "
                f"found what is none ({error}): mend it"
            ) from None
        try:
            return cls.of(values, recipe)
        except ConfigError as error:
            raise ConfigError(f"{file}: {error}") from None

    @classmethod
    def of(cls, values: Mapping[str, Any], recipe: Recipe) -> Self:
        """The space of a recipe's settings from its plain values; raises ConfigError."""
        if not values:
            raise ConfigError(f"expected settings, found none: give each {EXPECTED}")
        held = flat(plain(recipe))
        for name in values:
            recipe.override({name: held.get(name)})  # an unknown name suggests the near one
            if name in NOT_SEARCHED:
                raise ConfigError(f"{name} cannot be searched: {NOT_SEARCHED[name]}")
        kinds = kinds_of(recipe)
        return cls(values, {name: distribution(name, value, kinds[name]) for name, value in values.items()})

    def suggest(self, trial: optuna.Trial) -> dict[str, Any]:
        """The settings of a trial; those that it does not have yet are drawn, and recorded."""
        for name, drawn in self.distributions.items():
            if isinstance(drawn, FloatDistribution):
                trial.suggest_float(name, drawn.low, drawn.high, step=drawn.step, log=drawn.log)
            elif isinstance(drawn, IntDistribution):
                trial.suggest_int(name, drawn.low, drawn.high, step=drawn.step, log=drawn.log)
            elif isinstance(drawn, CategoricalDistribution):
                trial.suggest_categorical(name, drawn.choices)
        return self.settings(trial.params)

    def settings(self, params: Mapping[str, Any]) -> dict[str, Any]:
        """Settings, as `Recipe.override` takes them, from a trial's parameters."""
        return {name: decoded(params[name], drawn) for name, drawn in self.distributions.items()}

    def params(self, settings: Mapping[str, Any]) -> dict[str, Any]:
        """A trial's parameters from its settings: the inverse of `settings`."""
        return {name: held(settings[name], drawn) for name, drawn in self.distributions.items()}


def kinds_of(recipe: Recipe) -> dict[str, tuple[Any, ...]]:
    """The types that each setting of a recipe may have, by its name."""
    hints = {**get_type_hints(type(recipe.network)), **get_type_hints(type(recipe.training))}
    unions = (Union, UnionType)
    return {name: get_args(hint) if get_origin(hint) in unions else (hint,) for name, hint in hints.items()}


def distribution(name: str, value: Any, kinds: tuple[Any, ...]) -> BaseDistribution:
    """What one setting may become; raises ConfigError."""
    if isinstance(value, list):
        return choices(name, value, kinds)
    if not isinstance(value, dict) or not value.keys() & BOUNDS.keys():
        raise ConfigError(f"{name}: expected {EXPECTED}, found {value!r}")
    for key, part in value.items():
        if key not in BOUNDS:
            near = difflib.get_close_matches(key, BOUNDS, n=1)
            hint = f"did you mean {near[0]}?" if near else f"choose from {', '.join(BOUNDS)}"
            raise ConfigError(f"{name}: unknown {key!r}: {hint}")
        if type(part) not in BOUNDS[key] or (isinstance(part, float) and not math.isfinite(part)):
            raise ConfigError(
                f"{name}.{key}: expected {'true or false' if key == 'log' else 'a number'}, found {part!r}"
            )
    return spread(name, value, kinds)


def spread(name: str, value: Mapping[str, Any], kinds: tuple[Any, ...]) -> BaseDistribution:
    """A range of numbers, whole ones where the setting takes no others; raises ConfigError."""
    if missing := {"low", "high"} - value.keys():
        raise ConfigError(f"{name}: expected low and high, found no {sorted(missing)[0]}: give both")
    low, high, step, log = value["low"], value["high"], value.get("step"), value.get("log", False)
    if low >= high:
        raise ConfigError(f"{name}: expected low < high, found low = {low}, high = {high}")
    if step is not None and (log or not 0 < step <= high - low):
        raise ConfigError(
            f"{name}.step: expected more than 0, at most high - low, and no log, found {step}: "
            "leave one out, or change it"
        )
    if step is not None and (Decimal(str(high)) - Decimal(str(low))) % Decimal(str(step)):
        raise ConfigError(
            f"{name}.high: expected low plus a whole number of steps, found low = {low}, high = {high}, "
            f"step = {step}: change one of them"
        )
    if log and low <= 0:
        raise ConfigError(f"{name}.low: expected more than 0 where log = true, found {low}")
    if float in kinds:
        return FloatDistribution(low, high, log=log, step=step)
    numbers = {key: part for key, part in value.items() if key != "log"}
    if int not in kinds or not all(isinstance(part, int) for part in numbers.values()):
        what = "a list of choices" if int not in kinds else "whole numbers"
        raise ConfigError(f"{name}: expected {what}, found {numbers}")
    return IntDistribution(low, high, log=log, step=1 if step is None else step)


def choices(name: str, value: list[Any], kinds: tuple[Any, ...]) -> CategoricalDistribution:
    """A list of choices, of any kind: Optuna is given their JSON. Raises ConfigError."""
    optional = type(None) in kinds  # TOML has no word for it
    try:
        texts = [json.dumps(None if part == "none" and optional else part) for part in value]
    except TypeError:
        raise ConfigError(f"{name}: expected numbers, words or lists of them, found {value!r}") from None
    if not texts or len(set(texts)) < len(texts):
        raise ConfigError(
            f"{name}: expected choices that differ, found {value!r}: each choice of a setting that is itself "
            "a list is a list"
        )
    return CategoricalDistribution(texts)


def held(setting: Any, drawn: BaseDistribution) -> Any:
    """What Optuna holds of a setting: the inverse of `decoded`. A choice may be written 1 where a recipe has
    1.0."""
    if not isinstance(drawn, CategoricalDistribution):
        return setting
    return next(choice for choice in drawn.choices if decoded(choice, drawn) == setting)


def decoded(value: Any, drawn: BaseDistribution) -> Any:
    """A setting from what Optuna holds of it."""
    if isinstance(drawn, CategoricalDistribution):
        return json.loads(value)
    if not isinstance(drawn, FloatDistribution):
        return value
    if drawn.step is not None:
        return float(f"{value:.10g}")  # 0.3, not 0.30000000000000004
    return min(max(float(f"{value:.{DIGITS}g}"), drawn.low), drawn.high)

"""Configuration: plain frozen dataclasses that refuse wrong values, and overrides by key."""

import dataclasses
import difflib
import json
from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self, TypeVar

from pydantic import (
    ConfigDict,
    Field,
    NonNegativeFloat,
    NonNegativeInt,
    PositiveFloat,
    PositiveInt,
    TypeAdapter,
    ValidationError,
    model_validator,
)
from pydantic.dataclasses import dataclass

from ffrec.phases import Regime

STRICT = ConfigDict(extra="forbid", allow_inf_nan=False)
Span = tuple[PositiveInt, PositiveInt]
Share = Annotated[float, Field(ge=0, lt=1)]
R = TypeVar("R")


class ConfigError(Exception):
    """A configuration that cannot be: one line saying what was expected, what was found, what to do."""


@dataclass(frozen=True, config=STRICT)
class JudgeConfig:
    """How the hidden layers of every network judge their own activities."""

    objective: Literal["max", "min"] = "max"
    """Whether positive data makes the squared activity high or low."""
    threshold: float = 1.0
    """Goodness at which p(positive) is a half; goodness is a mean square, negative if minimised."""
    sharpness: PositiveFloat = 30.0
    """Slope of the logit of p(positive) in the goodness."""
    peer: NonNegativeFloat = 0.0
    """Strength of peer normalisation (note 9)."""

    @model_validator(mode="after")
    def signed(self) -> Self:
        if (self.threshold > 0) != (self.objective == "max"):
            raise ValueError("threshold has the sign of the goodness: positive for max, negative for min")
        return self


@dataclass(frozen=True, config=STRICT)
class RecurrentConfig(JudgeConfig):
    """The recurrent network of Hinton 2022 §3.4; the defaults are the paper's where the paper says."""

    hidden: Annotated[tuple[PositiveInt, ...], Field(min_length=1)] = (2000, 2000, 2000)
    """Units of each hidden layer, from the image up."""
    skip: tuple[tuple[int, int], ...] = ()
    """Skip-layer connections (source level, target level); 0 is the image, hidden + 1 the label (note 10)."""
    iterations: PositiveInt = 8
    """Iterations of a training case."""
    damping: Share = 0.3
    """Share of the previous pre-normalised state that an iteration keeps."""
    update: Literal["synchronous", "alternating"] = "synchronous"
    """All layers at once, or the even ones and then the odd ones."""
    loss: Span = (3, 8)
    """First and last iteration that teach; the label reaches hidden layer 1 at iteration len(hidden)."""
    window: Span = (3, 5)
    """First and last iteration whose goodness judges a label."""
    chunk: NonNegativeInt = 0
    """Iterations whose deltas are stacked into one product; 0 stacks them all."""

    @property
    def connections(self) -> list[tuple[int, int]]:
        """(source level, target level) of every connection into a hidden layer."""
        levels = range(1, len(self.hidden) + 1)
        return sorted({(level + step, level) for level in levels for step in (-1, 1)} | set(self.skip))

    @model_validator(mode="after")
    def consistent(self) -> Self:
        top = len(self.hidden) + 1
        for source, target in self.skip:
            if not (0 <= source <= top and 0 < target < top and source != target):
                raise ValueError(
                    f"skip ({source}, {target}) must lead from a level 0-{top} to a hidden level"
                )
        if self.update == "alternating":
            for source, target in self.connections:
                if 0 < source < top and (source - target) % 2 == 0:
                    raise ValueError(
                        f"alternating updates need skip ({source}, {target}) to join even and odd"
                    )
        for name, (first, last) in {"loss": self.loss, "window": self.window}.items():
            if first > last:
                raise ValueError(
                    f"{name} must run from a first to a later iteration, found {first} to {last}"
                )
        if self.loss[1] > self.iterations:
            raise ValueError(f"loss ends at iteration {self.loss[1]} but there are {self.iterations}")
        return self


@dataclass(frozen=True, config=STRICT)
class CharacterConfig(JudgeConfig):
    """The next-character network of Hinton 2022 §4.1 and figure 4; the paper's where the paper says."""

    hidden: Annotated[tuple[PositiveInt, ...], Field(min_length=1)] = (2000, 2000, 2000)
    """Units of each hidden layer, from the characters up."""
    window: Annotated[int, Field(ge=2, lt=100)] = 10
    """Characters that the hidden layers see."""
    lookahead: bool = False
    """Whether hidden layers judge a window together with the character after it, as a label is judged with
    its image (§3.3); the paper's judge a window alone. The softmax sees a neutral character there."""
    reads: tuple[PositiveInt, ...] = ()
    """Hidden levels that predict the next character; all of them if none is named."""
    recency: Annotated[float, Field(gt=0, le=1)] = 1.0
    """Ratio of the initial weights' size from a character to the one before it; 1 treats all alike."""
    bias: float = 0.0
    """Initial bias of the first hidden layer; below zero its code is sparse."""
    memory: NonNegativeFloat = 0.0
    """Sharpness of the fast-weight memory's softmax over what it stored; 0 for no memory (§9)."""

    @model_validator(mode="after")
    def consistent(self) -> Self:
        if self.reads and max(self.reads) > len(self.hidden):
            raise ValueError(f"reads names level {max(self.reads)} but there are {len(self.hidden)}")
        return self


@dataclass(frozen=True, config=STRICT)
class OptimiserConfig:
    """Weight updates of every network: torch's optimisers and schedules by name."""

    optimiser: str = "AdamW"
    """Any class of torch.optim."""
    optimiser_options: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    rate: PositiveFloat = 1e-3
    """Learning rate of the hidden layers."""
    softmax_rate: PositiveFloat = 1e-3
    """Learning rate of the softmax."""
    weight_decay: NonNegativeFloat = 0.0
    """Weight decay of all weights; biases have none."""
    softmax_weight_decay: NonNegativeFloat | None = None
    """Weight decay of the softmax, where it is to be another."""
    schedule: str = "half-linear"
    """A schedule of `ffrec.optimise.SCHEDULES`, or any class of torch.optim.lr_scheduler."""
    schedule_options: Mapping[str, Any] = dataclasses.field(default_factory=dict)


@dataclass(frozen=True, config=STRICT)
class TrainingConfig(OptimiserConfig):
    """How a network is trained on images: data order, negatives, optimiser and its schedule."""

    epochs: PositiveInt = 60
    batch: PositiveInt = 200
    negatives: Literal["hard", "uniform"] = "hard"
    """Wrong labels sampled from the one-pass softmax, or uniformly."""
    validate_every: PositiveInt = 1
    """Epochs from one look at the validation set to the next; the last epoch always has one."""
    jitter: NonNegativeInt = 0
    """Largest random shift in pixels, in both directions, of every training image."""
    dropout: Share = 0.0
    """Share of every training image's pixels that is silenced, afresh in every batch."""
    permute: int | None = None
    """Seed of one fixed permutation of the pixels, the same for every image; none by default."""


@dataclass(frozen=True, config=STRICT)
class TextTraining(OptimiserConfig):
    """How a network is trained on strings of characters."""

    epochs: PositiveInt = 20
    passes: PositiveInt = 10
    """Passes over the strings that make an epoch, at whose end there are metrics and a checkpoint."""
    validate_every: PositiveInt = 1
    """Epochs from one look at the validation set to the next; the last epoch always has one."""
    strings: PositiveInt | None = 248
    """Training strings, the first of the data's; none means all."""
    batch: PositiveInt = 248
    """Strings of a weight update; 248 give the paper's 22,320 predictions."""
    regime: Regime = "together"
    """Where negative data comes from and when it is learnt from: `ffrec.phases.PHASES`."""
    night: PositiveInt = 1
    """Batches from one night, in which all strings are dreamt anew, to the next (regime night)."""
    temperature: PositiveFloat = 1.0
    """Of the softmax that negative characters are sampled from."""
    dropout: Share = 0.0
    """Share of the hidden activities that the softmax does not see, afresh in every batch."""


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


@dataclass(frozen=True, config=STRICT)
class ImageRecipe(Settings):
    """One complete run on images: what the README reports, and what a run folder records."""

    name: str
    paper: str
    """The result it reproduces, and where the paper states it."""
    data: str
    network: RecurrentConfig
    training: TrainingConfig


@dataclass(frozen=True, config=STRICT)
class TextRecipe(Settings):
    """One complete run on a text: what the README reports, and what a run folder records."""

    name: str
    paper: str
    """The result it reproduces, and where the paper states it."""
    data: str
    network: CharacterConfig
    training: TextTraining


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
        fault = error.errors()[0]
        where = ".".join(str(part) for part in fault["loc"])
        found = "" if isinstance(fault["input"], dict) else f", found {fault['input']!r}"
        raise ConfigError(f"{where}: {fault['msg']}{found}") from None

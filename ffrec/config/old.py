"""Configuration: plain frozen dataclasses that refuse wrong values, and overrides by key."""

import dataclasses
import difflib
import json
from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal, Self, TypeVar

from pydantic import (
    ConfigDict,
    Discriminator,
    Field,
    NonNegativeFloat,
    NonNegativeInt,
    PositiveFloat,
    PositiveInt,
    Tag,
    TypeAdapter,
    ValidationError,
    field_validator,
    model_validator,
)
from pydantic.dataclasses import dataclass

from ffrec.phases import Regime

STRICT = ConfigDict(extra="forbid", allow_inf_nan=False)
Span = tuple[PositiveInt, PositiveInt]
PerLayer = float | tuple[float, ...]
Share1 = Annotated[float, Field(ge=0, le=1)]
Share = Annotated[float, Field(ge=0, lt=1)]
R = TypeVar("R")


def spread(value: PerLayer, layers: int) -> tuple[float, ...]:
    """One value for every layer."""
    return value if isinstance(value, tuple) else (value,) * layers


class ConfigError(Exception):
    """A configuration that cannot be: one line saying what was expected, what was found, what to do."""


@dataclass(frozen=True, config=STRICT)
class JudgeConfig:
    """How the hidden layers of every network judge their own activities."""

    hidden: Annotated[tuple[PositiveInt, ...], Field(min_length=1)] = (2000, 2000, 2000)
    """Units of each hidden layer, from the input up."""
    objective: Literal["max", "min"] = "max"
    """Whether positive data makes activity high or low."""
    threshold: PerLayer = 1.0
    """Goodness at which p(positive) is a half, for all layers or for each; negative if minimised."""
    sharpness: PerLayer = 30.0
    """Slope of the logit of p(positive) in the goodness, for all layers or for each."""
    peer: NonNegativeFloat = 0.0
    """Strength of peer normalisation (note 9)."""
    centring: bool = False
    """Whether each unit's δ is centred over the batch: a layer then learns a covariance of δ and what it is
    sent, and its biases nothing, so that what all cases share cannot drift."""

    @property
    def sign(self) -> float:
        """Of the goodness."""
        return 1.0 if self.objective == "max" else -1.0

    @property
    def thresholds(self) -> tuple[float, ...]:
        """Of the hidden layers."""
        return spread(self.threshold, len(self.hidden))

    @property
    def sharpnesses(self) -> tuple[float, ...]:
        """Of the hidden layers."""
        return spread(self.sharpness, len(self.hidden))

    @model_validator(mode="after")
    def judging(self) -> Self:
        for name, value in {"threshold": self.threshold, "sharpness": self.sharpness}.items():
            if isinstance(value, tuple) and len(value) != len(self.hidden):
                raise ValueError(
                    f"{name} has {len(value)} values for {len(self.hidden)} hidden layers: give one or all"
                )
        if any(threshold * self.sign < 0 for threshold in self.thresholds):
            raise ValueError("threshold has the sign of the goodness: positive for max, negative for min")
        if min(self.sharpnesses) <= 0:
            raise ValueError("sharpness must be above 0")
        return self


@dataclass(frozen=True, config=STRICT)
class RecurrentConfig(JudgeConfig):
    """The recurrent network of Hinton 2022 §3.4; the defaults are the paper's where the paper says."""

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


Local = tuple[PositiveInt, PositiveInt, PositiveInt]


@dataclass(frozen=True, config=STRICT)
class FeedForwardConfig(JudgeConfig):
    """The feed-forward networks of Hinton 2022 §3.2 and §3.3; the defaults are the paper's where it says."""

    hidden: Annotated[tuple[PositiveInt, ...], Field(min_length=1)] = (2000, 2000, 2000, 2000)
    """Units of each hidden layer, from the image up."""
    label: Literal["overwrite", "append", "none"] = "overwrite"
    """Where the label's code goes: over the first pixels, before all of them, or nowhere (unsupervised)."""
    label_size: NonNegativeFloat = 1.0
    """Size of the label's initial weights; at 1 it weighs as much as the image, at 0.11 as one pixel."""
    goodness: Literal["squares", "activities"] = "squares"
    """What is judged: `ffrec.goodness.GOODNESS`."""
    scale: Literal["mean", "sum"] = "mean"
    """Whether goodness is taken per unit."""
    blocks: PositiveInt = 1
    """Equal parts of every layer that each decide for themselves (§5.3)."""
    activation: Literal["relu", "student-t"] = "relu"
    """`ffrec.activation.ACTIVATIONS`."""
    local: tuple[Local, ...] = ()
    """(field, stride, channels) of every layer's square receptive fields; none: full connectivity. The
    units in `hidden` then have to be locations times channels."""
    masked: bool = False
    """Whether receptive fields are computed with masked dense weights (note 13), slowly, for comparison."""
    reads: tuple[PositiveInt, ...] = ()
    """Hidden levels whose activities the softmax sees and whose goodness judges a label; all but the first
    (or that one, if it is alone) if none is named."""

    iterations: ClassVar[int] = 1
    window: ClassVar[Span] = (1, 1)

    @field_validator("label", mode="before")
    @classmethod
    def nowhere(cls, label: Any) -> Any:
        """None, which `--set label=none` means, as the choice of that name."""
        return "none" if label is None else label

    @property
    def read(self) -> tuple[int, ...]:
        """The levels that `reads` stands for."""
        return self.reads or tuple(range(2, len(self.hidden) + 1)) or (1,)

    @model_validator(mode="after")
    def consistent(self) -> Self:
        if max(self.read) > len(self.hidden):
            raise ValueError(f"reads names level {max(self.read)} but there are {len(self.hidden)}")
        if len(set(self.reads)) < len(self.reads):
            raise ValueError(f"reads names a level twice: {self.reads}")
        if self.masked and not self.local:
            raise ValueError("masked is a way to compute local receptive fields: give local as well")
        if any(units % self.blocks for units in self.hidden):
            raise ValueError(f"blocks: {self.blocks} must divide every layer of {self.hidden}")
        if self.local and len(self.local) != len(self.hidden):
            raise ValueError(f"local has {len(self.local)} entries for {len(self.hidden)} hidden layers")
        if self.local and self.label != "none":
            raise ValueError("local receptive fields have no place for a label: expected label none")
        return self


@dataclass(frozen=True, config=STRICT)
class BackpropConfig:
    """What users would pick instead: a net of the same shape, trained by backpropagation or not at all."""

    hidden: tuple[PositiveInt, ...] = (2000, 2000, 2000, 2000)
    """Units of each hidden layer, from the image up; none makes a linear softmax."""
    learns: Literal["all", "softmax"] = "all"
    """Which weights learn; `softmax` leaves the hidden ones random and sees them normalised."""
    reads: tuple[PositiveInt, ...] = ()
    """Hidden levels that the softmax sees; the last if none is named."""
    label_smoothing: Share = 0.0
    """Share of the target that all classes have alike."""
    hidden_dropout: Share = 0.0
    """Share of every hidden layer that is silenced, afresh in every batch."""

    @property
    def read(self) -> tuple[int, ...]:
        """The levels that `reads` stands for; 0 is the image."""
        return self.reads or (len(self.hidden),)

    @model_validator(mode="after")
    def consistent(self) -> Self:
        if max(self.read) > len(self.hidden):
            raise ValueError(f"reads names level {max(self.read)} but there are {len(self.hidden)}")
        return self


@dataclass(frozen=True, config=STRICT)
class CharacterConfig(JudgeConfig):
    """The next-character network of Hinton 2022 §4.1 and figure 4; the paper's where the paper says."""

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
class PhasedConfig(OptimiserConfig):
    """When positive and when negative data is learnt from: Lică and Dinucu-Jianu 2023."""

    awake: PositiveInt | Literal["epoch"] | None = None
    """Batches of positive data alone before those of negative data alone; none learns from both at once."""
    asleep: PositiveInt | Literal["epoch"] = 1
    """Batches of negative data alone before those of positive data alone, if these are apart."""
    wake_rate: PositiveFloat | None = None
    """Learning rate of the hidden layers while awake, if apart; none: rate / awake (equation 4)."""
    states: Literal["shared", "separate"] = "shared"
    """Whether day and night share the optimiser's moving averages."""
    baseline: Share1 = 0.0
    """Share of the other phase's mean gradient that is added to every gradient, if apart (note 15)."""

    @property
    def wake_share(self) -> float:
        """Of `rate` that hidden layers learn with while awake, if day and night are apart."""
        if self.wake_rate:
            return self.wake_rate / self.rate
        return 1.0 / self.awake if isinstance(self.awake, int) else 1.0

    @model_validator(mode="after")
    def timed(self) -> Self:
        if self.awake is None and (self.baseline or self.wake_rate):
            raise ValueError("baseline and wake_rate are for days and nights apart: give awake as well")
        if self.awake == "epoch" and not self.wake_rate:
            raise ValueError("wake_rate: expected one, as a whole epoch awake has no number of batches yet")
        return self


@dataclass(frozen=True, config=STRICT)
class TrainingConfig(PhasedConfig):
    """How a network is trained on images: data order, negatives, optimiser and its schedule."""

    epochs: PositiveInt = 60
    batch: PositiveInt = 200
    negatives: Literal["hard", "uniform", "hybrid"] = "hard"
    """Wrong labels sampled from the one-pass softmax, or uniformly; or hybrid images, labelled at random if
    the network has labels."""
    repeats: PositiveInt = 1
    """Weight updates from every batch, one after another."""
    validate_every: PositiveInt = 1
    """Epochs from one look at the validation set to the next; the last epoch always has one."""
    jitter: Annotated[int, Field(ge=0, le=28)] = 0
    """Largest random shift in pixels, in both directions, of every training image."""
    dropout: Share = 0.0
    """Share of every training image's pixels that is silenced, afresh in every batch."""
    permute: Annotated[int, Field(ge=0, lt=2**63)] | None = None
    """Seed of one fixed permutation of the pixels, the same for every image; none by default."""


@dataclass(frozen=True, config=STRICT)
class TextTraining(PhasedConfig):
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

    @model_validator(mode="after")
    def dreaming(self) -> Self:
        if self.awake and self.regime != "together":
            raise ValueError(f"awake: days and nights apart need regime together, found {self.regime}")
        return self


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
        if getattr(self.network, "label", "") == "none" and not hybrid:
            raise ValueError("negatives: label none leaves no label to be wrong: use negatives hybrid")
        if isinstance(self.network, BackpropConfig) and self.training.awake:
            raise ValueError("awake: backpropagation has no negative data to be apart from")
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
        where = ".".join(str(part) for part in fault["loc"] if not str(part).endswith("Config"))
        found = "" if isinstance(fault["input"], dict) else f", found {fault['input']!r}"
        said = fault["msg"].removeprefix("Value error, ")
        raise ConfigError(f"{where}: {said}{found}".removeprefix(": ")) from None

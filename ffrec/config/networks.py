"""What a network is made of."""

from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, Field, NonNegativeFloat, PositiveInt, field_validator, model_validator
from pydantic.dataclasses import dataclass

from ffrec import registry
from ffrec.config.base import STRICT, Share, Share1
from ffrec.registry import known, register

Span = tuple[PositiveInt, PositiveInt]
PerLayer = float | tuple[float, ...]


def spread(value: PerLayer, layers: int) -> tuple[float, ...]:
    """One value for every layer."""
    return value if isinstance(value, tuple) else (value,) * layers


def on_menu(menu: str) -> AfterValidator:
    """A name that is on a menu: the error suggests the nearest one."""

    def check(name: str) -> str:
        try:
            return known(name, registry.menu(menu), menu)
        except registry.UnknownName as error:
            raise ValueError(str(error)) from None

    return AfterValidator(check)


@dataclass(frozen=True, config=STRICT)
class LayerConfig:
    """What the hidden layers of every network are made of, and what they learn."""

    kind: str = ""
    """Of network: a leaf names its own."""
    hidden: Annotated[tuple[PositiveInt, ...], Field(min_length=1)] = (2000, 2000, 2000)
    """Units of each hidden layer, from the input up."""
    goodness: Annotated[str, on_menu("goodness")] = "squares"
    """What goodness is: the menu `goodness`."""
    activity: Literal["max", "min"] = "max"
    """Whether positive data makes goodness high, or its negative: little activity then stands for
    positive."""
    objective: Annotated[str, on_menu("objective")] = "logistic"
    """What goodness has to do: the menu `objective`."""
    threshold: PerLayer = 1.0
    """Goodness at which p(positive) is a half, for all layers or for each; negative if activity is minimised.
    Of the logistic objective only."""
    sharpness: PerLayer = 30.0
    """Slope of the objective in the goodness, for all layers or for each."""
    context: Literal["own", "below", "all"] = "own"
    """Whose goodness a layer's loss sees: its own; that of the layers below too, held fixed; or of all
    layers. A label then has to be scored by all of them: a feed-forward network names them in `reads`."""
    blocks: PositiveInt = 1
    """Equal parts of every layer that have a loss each (§5.3)."""
    activation: Annotated[str, on_menu("activation")] = "relu"
    """The menu `activation`."""
    connection: Annotated[str, on_menu("connection")] = "dense"
    """How a layer or an image reaches a layer: the menu `connection`."""
    peer: NonNegativeFloat = 0.0
    """Strength of peer normalisation (note 9)."""
    centring: bool = False
    """Whether inputs count from the midpoint between positive and negative data; in a layer of a feed-forward
    network that sees a label, from that label's. The layer then learns a covariance, and its biases nothing,
    so that what all cases have in common cannot drift."""
    scaling: Share1 = 0.0
    """Synaptic scaling: how fast the midpoint between the goodness of positive and of negative data is
    brought back to the threshold, by scaling all of a layer's weights after every update."""

    @property
    def sign(self) -> float:
        """Of the goodness."""
        return 1.0 if self.activity == "max" else -1.0

    @property
    def thresholds(self) -> tuple[float, ...]:
        """Of the hidden layers."""
        return spread(self.threshold, len(self.hidden))

    @property
    def sharpnesses(self) -> tuple[float, ...]:
        """Of the hidden layers."""
        return spread(self.sharpness, len(self.hidden))

    @model_validator(mode="after")
    def layers(self) -> Self:
        for name, value in {"threshold": self.threshold, "sharpness": self.sharpness}.items():
            if isinstance(value, tuple) and len(value) != len(self.hidden):
                raise ValueError(
                    f"{name} has {len(value)} values for {len(self.hidden)} hidden layers: give one or all"
                )
        if any(threshold * self.sign < 0 for threshold in self.thresholds):
            raise ValueError("threshold has the sign of the goodness: positive for max, negative for min")
        if min(self.sharpnesses) <= 0:
            raise ValueError("sharpness must be above 0")
        if any(units % self.blocks for units in self.hidden):
            raise ValueError(f"blocks: {self.blocks} must divide every layer of {self.hidden}")
        if self.blocks > 1 and self.goodness in ("scores", "random-scores"):
            raise ValueError(f"blocks: goodness {self.goodness} has a part for each class: leave blocks out")
        if self.centring and self.peer:
            raise ValueError(
                "peer pulls all cases alike, which centring takes away: give peer=0 or no centring"
            )
        if self.scaling and 0 in self.thresholds:
            raise ValueError("scaling cannot bring goodness to a threshold of 0: give another, or scaling=0")
        if self.objective != "logistic":
            self.without_threshold()
        return self

    def without_threshold(self) -> None:
        """Refuse settings that only the logistic objective uses, where one of ffrec's other ones is named."""
        if self.objective in ("pairwise", "candidates", "classes") and set(self.thresholds) != {self.sign}:
            raise ValueError(f"threshold: objective {self.objective} has none: leave it out")
        if self.scaling or (self.objective in ("candidates", "classes") and (self.peer or self.centring)):
            raise ValueError(
                f"objective {self.objective} has no threshold or no sign of its cases for peer, centring and "
                "scaling: leave them out"
            )
        if self.objective == "classes" and self.goodness in ("squares", "activities") and self.blocks == 1:
            raise ValueError(
                f"objective classes needs a goodness for every class, found goodness {self.goodness}: give "
                "goodness=scores, goodness=random-scores, or as many blocks as there are classes"
            )


@register("config", "recurrent")
@dataclass(frozen=True, config=STRICT)
class RecurrentConfig(LayerConfig):
    """The recurrent network of Hinton 2022 §3.4; the defaults are the paper's where the paper says."""

    kind: Literal["recurrent"] = "recurrent"

    skip: tuple[tuple[int, int], ...] = ()
    """Skip-layer connections (source level, target level); 0 is the image, hidden + 1 the label (note 10)."""
    iterations: PositiveInt = 8
    """Iterations of a training case."""
    damping: Share = 0.3
    """Share of the previous pre-normalised state that an iteration keeps."""
    update: Literal["synchronous", "alternating"] = "synchronous"
    """All layers at once, or the even ones and then the odd ones."""
    loss: Span = (3, 8)
    """First and last iteration that layers learn from; the label reaches hidden layer 1 at iteration
    len(hidden)."""
    window: Span = (3, 5)
    """First and last iteration whose goodness, averaged, scores a label."""

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
        if self.objective == "classes":
            raise ValueError("objective classes needs a network without labels at its top: choose another")
        if self.loss[1] > self.iterations:
            raise ValueError(f"loss ends at iteration {self.loss[1]} but there are {self.iterations}")
        return self


Local = tuple[PositiveInt, PositiveInt, PositiveInt]


@register("config", "feedforward")
@dataclass(frozen=True, config=STRICT)
class FeedForwardConfig(LayerConfig):
    """The feed-forward networks of Hinton 2022 §3.2 and §3.3; the defaults are the paper's where it says."""

    kind: Literal["feedforward"] = "feedforward"
    hidden: Annotated[tuple[PositiveInt, ...], Field(min_length=1)] = (2000, 2000, 2000, 2000)
    """Units of each hidden layer, from the image up."""
    label: Literal["overwrite", "append", "none"] = "overwrite"
    """Where the label's code goes: over the first pixels, before all of them, or nowhere (unsupervised)."""
    label_size: NonNegativeFloat = 1.0
    """Size of the label's initial weights; at 1 it weighs as much as the image, at 0.11 as one pixel."""
    local: tuple[Local, ...] = ()
    """(field, stride, channels) of every layer's square receptive fields; none: full connectivity. The
    units in `hidden` then have to be locations times channels."""
    masked: bool = False
    """Whether receptive fields are computed with masked dense weights (note 13), slowly, for comparison."""
    reads: tuple[PositiveInt, ...] = ()
    """Hidden levels whose activities the softmax reads and whose goodness scores a label; all but the first
    (or that one, if it is alone) if none is named."""

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
        if self.objective == "classes" and self.label != "none":
            raise ValueError("objective classes: the label is the target, not an input: give label none")
        if self.objective == "candidates" and self.label == "none":
            raise ValueError(
                "objective candidates: labels are the candidates: expected label overwrite or append"
            )
        if self.local and self.connection != "dense":
            raise ValueError(f"local is a connection of its own, found connection {self.connection} too")
        if self.local and len(self.local) != len(self.hidden):
            raise ValueError(f"local has {len(self.local)} entries for {len(self.hidden)} hidden layers")
        if self.local and self.label != "none":
            raise ValueError("local receptive fields have no place for a label: expected label none")
        return self


@register("config", "backprop")
@dataclass(frozen=True, config=STRICT)
class BackpropConfig:
    """Baselines of the same shape, trained by backpropagation or with random hidden layers."""

    kind: Literal["backprop"] = "backprop"
    hidden: tuple[PositiveInt, ...] = (2000, 2000, 2000, 2000)
    """Units of each hidden layer, from the image up; none makes a linear softmax."""
    learns: Literal["all", "softmax"] = "all"
    """Which weights learn; `softmax` leaves the hidden ones random and reads them normalised."""
    reads: tuple[PositiveInt, ...] = ()
    """Hidden levels that the softmax reads; the last if none is named."""
    label_smoothing: Share = 0.0
    """Share of the target that all classes have alike."""
    hidden_dropout: Share = 0.0
    """Share of every hidden layer that is set to zero, afresh in every batch."""

    @property
    def read(self) -> tuple[int, ...]:
        """The levels that `reads` stands for; 0 is the image."""
        return self.reads or (len(self.hidden),)

    @model_validator(mode="after")
    def consistent(self) -> Self:
        if max(self.read) > len(self.hidden):
            raise ValueError(f"reads names level {max(self.read)} but there are {len(self.hidden)}")
        return self


@register("config", "character")
@dataclass(frozen=True, config=STRICT)
class CharacterConfig(LayerConfig):
    """The next-character network of Hinton 2022 §4.1 and figure 4; the paper's where the paper says."""

    kind: Literal["character"] = "character"

    window: Annotated[int, Field(ge=2, lt=100)] = 10
    """Characters that the hidden layers see."""
    lookahead: bool = False
    """Whether hidden layers see a window together with the character after it, as they see a label with its
    image (§3.3); the paper's see a window alone. The softmax reads them with a neutral character there."""
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
        if self.objective in ("pairwise", "candidates"):
            raise ValueError(
                f"objective {self.objective} compares candidates of one case; positive and negative strings "
                "are different cases: expected logistic or classes"
            )
        if self.objective == "classes" and self.lookahead:
            raise ValueError(
                "objective classes: the next character is the target, not an input: leave lookahead out"
            )
        return self

"""The configurations of networks that predict the next character."""

from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, NonNegativeFloat, NonNegativeInt, PositiveFloat, PositiveInt, model_validator
from pydantic.dataclasses import dataclass

from ffrec.config.base import STRICT, Share, check_levels
from ffrec.config.layers import LayerConfig, PerLayer
from ffrec.config.training import TextTraining
from ffrec.registry import pick, register


@dataclass(frozen=True, config=STRICT)
class TextNetworkConfig(LayerConfig):
    """What every network that reads a window of characters has."""

    on: ClassVar[Literal["images", "text"]] = "text"

    window: Annotated[int, Field(ge=2, lt=100)] = 10
    """Characters that the hidden layers see."""
    reads: tuple[PositiveInt, ...] = ()
    """Hidden levels that the softmax reads; all of them if none is named."""
    recency: Annotated[float, Field(gt=0, le=1)] = 1.0
    """Ratio of the initial weights' size from a character to the one before it; 1 treats all alike."""
    fading: Annotated[float, Field(gt=0, le=1)] = 1.0
    """Ratio of the size of the codes from a character to the one before it: earlier characters send less at
    first, and what they send changes less in an update."""
    bias: PerLayer = 0.0
    """Initial bias of the first hidden layer, or of each; below zero a layer's code is sparse."""
    memory: NonNegativeFloat = 0.0
    """Sharpness of the fast-weight memory's softmax over what it stored; 0 for no memory (§9)."""

    @model_validator(mode="after")
    def coded(self) -> Self:
        check_levels(self.reads, len(self.hidden))
        if isinstance(self.bias, tuple) and len(self.bias) != len(self.hidden):
            raise ValueError(
                f"bias has {len(self.bias)} values for {len(self.hidden)} hidden layers: give one or all"
            )
        if self.connection != "dense" and not self.connected:
            raise ValueError("connection: characters reach the only hidden layer by codes: leave it out")
        return self

    @property
    def connected(self) -> bool:
        """Whether any source but codes reaches a hidden layer."""
        return len(self.hidden) > 1

    @property
    def biases(self) -> tuple[float, ...]:
        """Initial bias of every hidden layer."""
        if isinstance(self.bias, tuple):
            return self.bias
        return (self.bias, *[0.0] * (len(self.hidden) - 1))

    def suits_text(self, training: TextTraining) -> None:
        """Raise ValueError unless the network can be trained on strings so."""
        if (self.centring or self.scaling) and not training.wake:
            cure = "give wake" if self.generates else "leave them out"
            raise ValueError(f"centring and scaling of characters are for wake and sleep phases: {cure}")
        if not self.generates:
            if training.regime != "teacher-forced":
                raise ValueError(
                    f"kind {self.kind} with objective {self.objective} has no negative strings: expected "
                    f"regime teacher-forced, found {training.regime}"
                )
            if training.temperature != 1:
                raise ValueError(
                    f"temperature: kind {self.kind} with objective {self.objective} samples no negative "
                    "characters: leave it out"
                )

    @property
    def generates(self) -> bool:
        """Whether negative data are passages that the network generates."""
        return not self.by_class


@register("config", "character")
@dataclass(frozen=True, config=STRICT)
class CharacterConfig(TextNetworkConfig):
    """The next-character network of Hinton 2022 §4.1 and figure 4; the paper's where the paper says."""

    kind: Literal["character"] = "character"
    lookahead: bool = False
    """Whether hidden layers see a window together with the character after it, as they see a label with its
    image (§3.3); the paper's see a window alone. The softmax reads them with a neutral character there."""

    @model_validator(mode="after")
    def consistent(self) -> Self:
        if not self.by_class and not pick("objective", self.objective).single:
            raise ValueError(
                f"objective {self.objective} compares candidates of one case; positive and negative strings "
                "are different cases: expected logistic or classes"
            )
        if self.by_class and self.lookahead:
            raise ValueError(
                f"objective {self.objective}: the next character is the target, not an input: no lookahead"
            )
        return self

    def suits_text(self, training: TextTraining) -> None:
        super().suits_text(training)
        for name in ("hidden_dropout", "blanks", "negatives"):
            if getattr(training, name) != getattr(TextTraining(), name):
                raise ValueError(f"{name}: layers of kind character have none: leave it out")


@register("config", "goodness-character")
@dataclass(frozen=True, config=STRICT)
class GoodnessCharacterConfig(TextNetworkConfig):
    """The next-character network that tries every character as a candidate, and scores it by goodness."""

    kind: Literal["goodness-character"] = "goodness-character"
    objective: Literal["candidates", "logistic", "pairwise"] = "candidates"
    context: Literal["below"] = "below"
    sharpness: float | tuple[float, ...] = 40.0
    recency: Annotated[float, Field(gt=0, le=1)] = 0.75
    candidate_size: PositiveFloat = 1.0
    """Size of the initial weights of the character that is tried; at 1 it sends as much as the window."""
    state: NonNegativeInt = 0
    """Level of the hidden layer whose activities are carried along a string: the first layer also sees what
    that layer sent, in a bottom-up pass, when the character before had come (Elman 1990); 0: no state."""
    state_size: PositiveFloat = 1.0
    """Size of the initial weights of that state; at 1 it sends as much as the window."""
    iterations: NonNegativeInt = 0
    """Iterations in which every hidden layer also sees the one above it (§3.4). They begin with a bottom-up
    pass; layers learn from all of them, and their mean goodness predicts. 0: the pass alone."""
    damping: Share = 0.0
    """Share of its activities before that a layer keeps in an iteration."""
    feedback_size: PositiveFloat = 1.0
    """Size of the initial weights from the layer above."""
    correction: Literal["none", "dreams", "hard"] = "none"
    """What prediction multiplies exp(sharpness · goodness) by, q being the softmax's prediction: nothing; q,
    if q wrote the negative strings; q (1 − q), if one hard negative was drawn from q."""
    likeliest: PositiveInt | None = None
    """Characters that layers above the first try where the network predicts, the likeliest by that one; all
    by default. Layers learn from all of them."""

    @property
    def connected(self) -> bool:
        return super().connected or self.state > 0

    @property
    def generates(self) -> bool:
        return self.correction == "dreams"

    @model_validator(mode="after")
    def corrected(self) -> Self:
        if (self.correction == "dreams" and self.objective != "logistic") or (
            self.correction == "hard" and self.objective == "logistic"
        ):
            raise ValueError(
                f"correction: {self.correction} does not belong to objective {self.objective}: dreams are "
                "separated from real strings by logistic, hard negatives corrected for candidates or pairwise"
            )
        if self.state > len(self.hidden):
            raise ValueError(f"state: expected a hidden level, 1 to {len(self.hidden)}, found {self.state}")
        if self.state and self.correction == "dreams":
            raise ValueError("state: passages of dreams have no past: leave it out")
        if not self.state and self.state_size != 1:
            raise ValueError("state_size: there is no state: leave it out, or give state")
        if self.iterations and len(self.hidden) == 1:
            raise ValueError("iterations: a single hidden layer has none above it: leave them out")
        if self.iterations and self.correction == "dreams":
            raise ValueError("iterations: passages of dreams take a single pass: leave them out")
        if self.iterations and self.likeliest is not None:
            raise ValueError("likeliest: layers that see those above them try all characters: leave it out")
        if self.feedback_size != 1 and not self.iterations:
            raise ValueError("feedback_size: layers see none above them: leave it out, or give iterations")
        if self.damping and self.iterations < 2:
            raise ValueError("damping: expected two iterations or more: leave it out, or give iterations")
        if self.likeliest is not None and len(self.hidden) == 1:
            raise ValueError("likeliest: a single hidden layer has none above it: leave it out")
        return self

    def suits_text(self, training: TextTraining) -> None:
        super().suits_text(training)
        shares, layers = training.hidden_dropout, len(self.hidden)
        if isinstance(shares, tuple) and len(shares) != layers:
            raise ValueError(
                f"hidden_dropout has {len(shares)} values for {layers} hidden layers: give one or all"
            )
        if self.correction == "dreams" and training.temperature != 1:
            raise ValueError(
                "temperature: prediction is corrected by q as it is, found dreams at another temperature: "
                "leave it out"
            )
        for name in ("blanks", "negatives") if self.generates else ():
            if getattr(training, name) != getattr(TextTraining(), name):
                raise ValueError(f"{name}: negative characters are those that q wrote: leave it out")
        negatives = pick("negatives", training.negatives)
        if negatives.hybrid or negatives.absent:
            raise ValueError(
                f"negatives: expected characters that did not come, found {training.negatives}: choose all, "
                "uniform or hard"
            )
        if self.correction == "hard" and not training.negatives.startswith("hard"):
            raise ValueError(f"correction: expected hard negatives, found {training.negatives}: leave it out")

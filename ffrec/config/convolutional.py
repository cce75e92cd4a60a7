"""The convolutional networks' configuration."""

from typing import Annotated, Any, Literal, Self

from pydantic import Field, NonNegativeFloat, PositiveInt, field_validator, model_validator
from pydantic.dataclasses import dataclass

from ffrec.config.base import STRICT, check_levels, on_menu
from ffrec.config.layers import LayerConfig
from ffrec.config.shapes import Counts, Shapes
from ffrec.config.training import TrainingConfig
from ffrec.registry import pick, register


@register("config", "convolutional")
@dataclass(frozen=True, config=STRICT)
class ConvolutionalConfig(Shapes, LayerConfig):
    """Convolutional layers that learn from class scores of their own, or from the goodness of positive and
    negative data: nothing travels back between them."""

    kind: Literal["convolutional"] = "convolutional"
    hidden: Annotated[tuple[PositiveInt, ...], Field(min_length=1)] = (32, 64, 128, 256)
    """Channels of each hidden layer, from the image up."""
    objective: Annotated[str, on_menu("objective")] = "classes"
    stride: Counts = 1
    """Places from one that a layer computes to the next, for all layers or for each."""
    label: Literal["none", "overwrite", "first", "every", "apart"] = "none"
    """Where a candidate label goes: nowhere, where class scores compete; over the first pixels; or, as
    constant maps beside what layers are sent, into the first one, into every one, or into every one apart,
    each of which then sends on what it makes of the neutral label."""
    label_size: NonNegativeFloat = 1.0
    """Size of the initial weights of a label's maps; at 1 a label weighs as much as what a layer is sent."""
    sends: Literal["standardised", "directions"] = "standardised"
    """What becomes of images and maps before a layer is sent them: channels of mean 0 and variance 1, or the
    channels of every place divided by their length."""
    in_turn: bool = False
    """Whether hidden layers learn one after another, each for an equal share of the updates."""
    per_place: bool = False
    """Whether a layer with labels has a goodness, and normalises what it sends, at every place of its map, or
    one of the whole map."""
    goodness: Annotated[str, on_menu("goodness")] = "scores"
    sharpness: float | tuple[float, ...] = 1.0
    reads: tuple[PositiveInt, ...] = ()
    """Hidden levels whose pooled activities the softmax reads and whose scores, summed, predict; the upper
    half if none is named."""

    @field_validator("label", mode="before")
    @classmethod
    def nowhere(cls, label: Any) -> Any:
        """None, which `--set label=none` means, as the choice of that name."""
        return "none" if label is None else label

    @property
    def read(self) -> tuple[int, ...]:
        """The levels that `reads` stands for."""
        layers = len(self.hidden)
        return self.reads or tuple(range(layers // 2 + 1, layers + 1))

    @model_validator(mode="after")
    def consistent(self) -> Self:
        check_levels(self.read, len(self.hidden))
        self.check_each("stride")
        if (self.label == "none") != self.by_class:
            expected = "none" if self.by_class else "overwrite, first, every or apart"
            raise ValueError(f"label {self.label}: objective {self.objective} expects {expected}")
        if self.label in ("none", "overwrite") and self.label_size != 1:
            raise ValueError(f"label_size: label {self.label} has no maps with weights: leave it out")
        if self.per_place and self.by_class:
            raise ValueError("per_place: class scores have a grid of their own: leave it out")
        if self.centring and not self.by_class:
            raise ValueError("centring: pooled maps share what all labels are sent: leave it out")
        if self.blocks > 1 and self.per_place:
            raise ValueError("blocks: a place's goodness is of all channels: leave out one of them")
        if self.connection != "dense":
            raise ValueError("connection: a convolution is one of its own: leave it out")
        return self

    def suits(self, training: TrainingConfig) -> None:
        if pick("negatives", training.negatives).hybrid:
            raise ValueError("negatives: convolutions learn from wrong labels: expected another than hybrid")
        if training.perturbs and self.label in ("none", "apart"):
            raise ValueError("hidden_noise and unit_dropout: no label is in what layers send: set them to 0")
        if training.permute is not None:
            raise ValueError("permute: convolutions need pixels in their places: leave it out")
        if self.in_turn and training.baseline:
            raise ValueError(
                "baseline: layers that learn in turn have no gradient of the other phase: leave it out"
            )
        super().suits(training)

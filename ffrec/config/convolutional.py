"""The convolutional networks' configuration."""

from typing import Annotated, Any, Literal, Self

from pydantic import Field, PositiveInt, field_validator, model_validator
from pydantic.dataclasses import dataclass

from ffrec.config.base import STRICT, check_levels, on_menu
from ffrec.config.layers import LayerConfig
from ffrec.config.shapes import Shapes
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
    label: Literal["none", "first", "every"] = "none"
    """Which layers see a candidate label, as constant maps beside what they are sent: none, where class
    scores compete; the first; or every layer."""
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
        if (self.label == "none") != self.by_class:
            expected = "none" if self.by_class else "first or every"
            raise ValueError(f"label {self.label}: objective {self.objective} expects {expected}")
        if self.per_place and self.by_class:
            raise ValueError("per_place: class scores have a grid of their own: leave it out")
        if self.centring and not self.by_class:
            raise ValueError("centring: pooled maps share what all labels are sent: leave it out")
        if self.blocks > 1 and not self.by_class:
            raise ValueError("blocks: a map's goodness is of all channels: leave it out")
        if self.connection != "dense":
            raise ValueError("connection: a convolution is one of its own: leave it out")
        return self

    def suits(self, training: TrainingConfig) -> None:
        if pick("negatives", training.negatives).hybrid:
            raise ValueError("negatives: convolutions learn from wrong labels: expected another than hybrid")
        if training.perturbs and self.label == "none":
            raise ValueError("hidden_noise and unit_dropout: no labels are tried here: set them to 0")
        if training.permute is not None:
            raise ValueError("permute: convolutions need pixels in their places: leave it out")
        super().suits(training)

"""The convolutional networks' configuration."""

from typing import Annotated, Literal, Self

from pydantic import Field, PositiveInt, model_validator
from pydantic.dataclasses import dataclass

from ffrec.config.base import STRICT, check_levels, on_menu
from ffrec.config.layers import LayerConfig
from ffrec.config.shapes import Shapes
from ffrec.config.training import TrainingConfig
from ffrec.registry import register


@register("config", "convolutional")
@dataclass(frozen=True, config=STRICT)
class ConvolutionalConfig(Shapes, LayerConfig):
    """Convolutional layers that learn from class scores of their own: nothing travels back between them."""

    kind: Literal["convolutional"] = "convolutional"
    hidden: Annotated[tuple[PositiveInt, ...], Field(min_length=1)] = (32, 64, 128, 256)
    """Channels of each hidden layer, from the image up."""
    objective: Literal["classes"] = "classes"
    goodness: Annotated[str, on_menu("goodness")] = "scores"
    sharpness: float | tuple[float, ...] = 1.0
    reads: tuple[PositiveInt, ...] = ()
    """Hidden levels whose pooled activities the softmax reads and whose scores, summed, predict; the upper
    half if none is named."""

    @property
    def read(self) -> tuple[int, ...]:
        """The levels that `reads` stands for."""
        layers = len(self.hidden)
        return self.reads or tuple(range(layers // 2 + 1, layers + 1))

    @model_validator(mode="after")
    def consistent(self) -> Self:
        check_levels(self.read, len(self.hidden))
        if self.connection != "dense":
            raise ValueError("connection: a convolution is one of its own: leave it out")
        return self

    def suits(self, training: TrainingConfig) -> None:
        if training.perturbs:
            raise ValueError("hidden_noise and unit_dropout: no labels are tried here: set them to 0")
        if training.permute is not None:
            raise ValueError("permute: convolutions need pixels in their places: leave it out")
        super().suits(training)

"""The convolutional networks' configuration."""

from typing import Annotated, Literal, Self

from pydantic import Field, PositiveInt, model_validator
from pydantic.dataclasses import dataclass

from ffrec.config.base import STRICT
from ffrec.config.layers import LayerConfig
from ffrec.config.training import TrainingConfig
from ffrec.registry import register

Counts = PositiveInt | tuple[PositiveInt, ...]


def each(value: Counts, layers: int) -> tuple[int, ...]:
    """One value for every layer."""
    return value if isinstance(value, tuple) else (value,) * layers


@register("config", "convolutional")
@dataclass(frozen=True, config=STRICT)
class ConvolutionalConfig(LayerConfig):
    """Convolutional layers that learn from class scores of their own: nothing travels back between them."""

    kind: Literal["convolutional"] = "convolutional"
    hidden: Annotated[tuple[PositiveInt, ...], Field(min_length=1)] = (32, 64, 128, 256)
    """Channels of each hidden layer, from the image up."""
    objective: Literal["classes"] = "classes"
    goodness: str = "scores"
    sharpness: float | tuple[float, ...] = 1.0
    kernel: Counts = 3
    """Side of the kernel, an odd number, for all layers or for each; maps keep their sides."""
    pool: Counts = 2
    """Side of the squares of which a layer keeps the largest activity, for all layers or for each."""
    grid: Counts = 2
    """Scores see the mean of every channel in each square of a grid × grid grid, for all layers or for
    each."""
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
        layers = len(self.hidden)
        for name, value in {"kernel": self.kernel, "pool": self.pool, "grid": self.grid}.items():
            if len(each(value, layers)) != layers:
                raise ValueError(f"{name} has {len(each(value, layers))} values for {layers} hidden layers")
        if any(side % 2 == 0 for side in each(self.kernel, layers)):
            raise ValueError(f"kernel: expected odd numbers, found {self.kernel}")
        if max(self.read) > layers or len(set(self.reads)) < len(self.reads):
            raise ValueError(f"reads: expected different levels from 1 to {layers}, found {self.reads}")
        if self.connection != "dense":
            raise ValueError("connection: a convolution is one of its own: leave it out")
        return self

    def suits(self, training: TrainingConfig) -> None:
        if training.perturbs:
            raise ValueError("hidden_noise and unit_dropout: no labels are tried here: set them to 0")
        if training.permute is not None:
            raise ValueError("permute: convolutions need pixels in their places: leave it out")
        super().suits(training)

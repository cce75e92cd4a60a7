"""The configuration of networks that backpropagation trains, and of those whose hidden layers stay random."""

from typing import ClassVar, Literal, Self

from pydantic import PositiveInt, model_validator
from pydantic.dataclasses import dataclass

from ffrec.config.base import STRICT, Share, check_levels
from ffrec.config.shapes import Fields, Shapes
from ffrec.config.training import TrainingConfig
from ffrec.registry import register


@dataclass(frozen=True, config=STRICT)
class BaselineConfig:
    """Baselines of the same shape, trained by backpropagation or with random hidden layers."""

    kind: str = ""
    """Which kind of network it is."""
    on: ClassVar[Literal["images", "text"]] = "images"
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
    def placed(self) -> bool:
        """Whether units have a place on the image, which then has to be square."""
        return False

    @property
    def read(self) -> tuple[int, ...]:
        """The levels that `reads` stands for; 0 is the image."""
        return self.reads or (len(self.hidden),)

    @model_validator(mode="after")
    def consistent(self) -> Self:
        check_levels(self.read, len(self.hidden))
        if self.hidden_dropout and not self.hidden:
            raise ValueError("hidden_dropout: there is no hidden layer: leave it out")
        return self

    def suits(self, training: TrainingConfig) -> None:
        """Raise ValueError unless the network can be trained on images so."""
        training.refuse_negatives("backpropagation has no negative data")
        if training.perturbs:
            raise ValueError(
                "hidden_noise and unit_dropout are for layers that learn locally: use hidden_dropout"
            )


@register("config", "backprop")
@dataclass(frozen=True, config=STRICT)
class BackpropConfig(Fields, BaselineConfig):
    """Rectified layers, with full connectivity or square receptive fields."""

    kind: Literal["backprop"] = "backprop"

    def suits(self, training: TrainingConfig) -> None:
        self.check_places(training)
        super().suits(training)


@register("config", "backprop-convolutional")
@dataclass(frozen=True, config=STRICT)
class ConvolutionalBackpropConfig(Shapes, BaselineConfig):
    """The convolutions of `ConvolutionalConfig`, trained by backpropagation."""

    kind: Literal["backprop-convolutional"] = "backprop-convolutional"
    hidden: tuple[PositiveInt, ...] = (32, 64, 128, 256)
    """Channels of each hidden layer, from the image up."""
    every_layer: bool = False
    """Whether every hidden layer has a softmax and a loss of its own, which travel back as well."""

    @model_validator(mode="after")
    def convolutional(self) -> Self:
        if not self.hidden or 0 in self.read:
            raise ValueError("hidden: expected at least one layer, which the softmax reads")
        if self.every_layer and self.learns == "softmax":
            raise ValueError("every_layer: hidden layers that stay random have no loss: leave it out")
        return self

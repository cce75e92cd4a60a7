"""The configuration of networks that backpropagation trains, and of those whose hidden layers stay random."""

from typing import ClassVar, Literal, Self

from pydantic import PositiveInt, model_validator
from pydantic.dataclasses import dataclass

from ffrec.config.base import STRICT, Share
from ffrec.config.training import TrainingConfig
from ffrec.registry import register


@register("config", "backprop")
@dataclass(frozen=True, config=STRICT)
class BackpropConfig:
    """Baselines of the same shape, trained by backpropagation or with random hidden layers."""

    kind: Literal["backprop"] = "backprop"
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
    def read(self) -> tuple[int, ...]:
        """The levels that `reads` stands for; 0 is the image."""
        return self.reads or (len(self.hidden),)

    @model_validator(mode="after")
    def consistent(self) -> Self:
        if max(self.read) > len(self.hidden):
            raise ValueError(f"reads names level {max(self.read)} but there are {len(self.hidden)}")
        if len(set(self.reads)) < len(self.reads):
            raise ValueError(f"reads names a level twice: {self.reads}")
        if self.hidden_dropout and not self.hidden:
            raise ValueError("hidden_dropout: there is no hidden layer: leave it out")
        return self

    def suits(self, training: TrainingConfig) -> None:
        """Raise ValueError unless the network can be trained on images so."""
        for name in ("wake", "sleep", "states", "negatives", "hybrid_labels", "repeats"):
            if getattr(training, name) != getattr(TrainingConfig(), name):
                raise ValueError(f"{name}: backpropagation has no negative data: leave it out")
        if training.perturbs:
            raise ValueError(
                "hidden_noise and unit_dropout are for layers that learn locally: use hidden_dropout"
            )

"""The recurrent network's configuration."""

from typing import Literal, Self

from pydantic import PositiveInt, model_validator
from pydantic.dataclasses import dataclass

from ffrec.config.base import STRICT, Share
from ffrec.config.layers import LayerConfig, Span
from ffrec.config.shapes import Fields
from ffrec.config.training import TrainingConfig
from ffrec.registry import pick, register


@register("config", "recurrent")
@dataclass(frozen=True, config=STRICT)
class RecurrentConfig(Fields, LayerConfig):
    """The recurrent network of Hinton 2022 §3.4; the defaults are the paper's where the paper says."""

    kind: Literal["recurrent"] = "recurrent"

    skip: tuple[tuple[int, int], ...] = ()
    """Skip-layer connections (source level, target level); 0 is the image, hidden + 1 the label (note 10)."""
    iterations: PositiveInt = 8
    """Iterations that an evaluation shows; training ends with those of `loss`."""
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
        if self.by_class:
            raise ValueError(
                f"objective {self.objective} needs a network without labels at its top: choose another"
            )
        if self.field is not None and self.connection != "dense":
            raise ValueError(f"field is a connection of its own, found connection {self.connection} too")
        if self.loss[1] > self.iterations:
            raise ValueError(f"loss ends at iteration {self.loss[1]} but there are {self.iterations}")
        return self

    def suits(self, training: TrainingConfig) -> None:
        if pick("negatives", training.negatives).hybrid:
            raise ValueError("negatives: hybrid images need a feed-forward network, found a recurrent one")
        if training.hybrid_labels != "shuffled":
            raise ValueError("hybrid_labels: expected negatives hybrid, found labels: leave it out")
        self.check_places(training)
        super().suits(training)

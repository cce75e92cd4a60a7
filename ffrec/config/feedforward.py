"""The feed-forward networks' configuration."""

from typing import Annotated, Any, Literal, Self

from pydantic import Field, NonNegativeFloat, PositiveInt, field_validator, model_validator
from pydantic.dataclasses import dataclass

from ffrec.config.base import STRICT, check_levels
from ffrec.config.layers import LayerConfig
from ffrec.config.shapes import Fields
from ffrec.config.training import TrainingConfig
from ffrec.registry import pick, register

Local = tuple[PositiveInt, PositiveInt, PositiveInt]


@register("config", "feedforward")
@dataclass(frozen=True, config=STRICT)
class FeedForwardConfig(Fields, LayerConfig):
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

    @property
    def placed(self) -> bool:
        """Whether units have a place on the image, which then has to be square."""
        return bool(self.local) or super().placed

    @field_validator("label", mode="before")
    @classmethod
    def nowhere(cls, label: Any) -> Any:
        """None, which `--set label=none` means, as the choice of that name."""
        return "none" if label is None else label

    @property
    def read(self) -> tuple[int, ...]:
        """The levels that `reads` stands for; where a layer's loss sees the goodness of others, all of
        them."""
        if self.context != "own" and not self.reads:
            return tuple(range(1, len(self.hidden) + 1))
        return self.reads or tuple(range(2, len(self.hidden) + 1)) or (1,)

    @model_validator(mode="after")
    def consistent(self) -> Self:
        check_levels(self.read, len(self.hidden))
        if self.masked and not self.local:
            raise ValueError("masked is a way to compute local receptive fields: give local as well")
        if self.by_class and self.label != "none":
            raise ValueError(
                f"objective {self.objective}: the label is the target, not an input: give label none"
            )
        if (
            not self.by_class
            and self.label == "none"
            and pick("objective", self.objective).target == "places"
        ):
            raise ValueError(
                f"objective {self.objective}: labels are the candidates: expected label overwrite or append"
            )
        if self.label == "none" and self.label_size != 1:
            raise ValueError("label_size: label none has no weights: leave it out")
        if self.local and self.connection != "dense":
            raise ValueError(f"local is a connection of its own, found connection {self.connection} too")
        if self.field is not None and (self.local or self.masked or self.connection != "dense"):
            raise ValueError("field is a connection of its own: leave local, masked and connection out")
        if self.field is not None and self.label == "overwrite":
            raise ValueError("field: the label would cover places of the map: expected label append or none")
        if self.local and len(self.local) != len(self.hidden):
            raise ValueError(f"local has {len(self.local)} entries for {len(self.hidden)} hidden layers")
        if self.local and self.label != "none":
            raise ValueError("local receptive fields have no place for a label: expected label none")
        return self

    def suits(self, training: TrainingConfig) -> None:
        hybrid, unlabelled = pick("negatives", training.negatives).hybrid, self.label == "none"
        if unlabelled and not hybrid and not self.by_class:
            raise ValueError("negatives: label none leaves no label to be wrong: use negatives hybrid")
        if (unlabelled or not hybrid) and training.hybrid_labels != "shuffled":
            raise ValueError(
                "hybrid_labels: expected negatives hybrid and a network with labels, found negatives "
                f"{training.negatives}{', label none' if unlabelled else ''}: leave it out"
            )
        if unlabelled and training.perturbs:
            raise ValueError(
                "hidden_noise and unit_dropout: expected a network that tries labels, found label none: set "
                "them to 0"
            )
        self.check_places(training)
        if self.label == "overwrite" and training.permute is not None:
            raise ValueError("permute: the label would cover other pixels than the border: use label append")
        super().suits(training)

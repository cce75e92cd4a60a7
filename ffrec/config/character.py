"""The next-character network's configuration."""

from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, NonNegativeFloat, PositiveInt, model_validator
from pydantic.dataclasses import dataclass

from ffrec.config.base import STRICT, check_levels
from ffrec.config.layers import LayerConfig
from ffrec.registry import pick, register


@register("config", "character")
@dataclass(frozen=True, config=STRICT)
class CharacterConfig(LayerConfig):
    """The next-character network of Hinton 2022 §4.1 and figure 4; the paper's where the paper says."""

    kind: Literal["character"] = "character"
    on: ClassVar[Literal["images", "text"]] = "text"

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
        check_levels(self.reads, len(self.hidden))
        if self.connection != "dense" and len(self.hidden) == 1:
            raise ValueError("connection: characters reach the only hidden layer by codes: leave it out")
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

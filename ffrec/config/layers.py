"""What the hidden layers of every network are made of, and what they learn."""

from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, NonNegativeFloat, PositiveInt, model_validator
from pydantic.dataclasses import dataclass

from ffrec.config.base import STRICT, Share1, on_menu
from ffrec.config.training import TrainingConfig
from ffrec.registry import pick

Span = tuple[PositiveInt, PositiveInt]
PerLayer = float | tuple[float, ...]


def spread(value: PerLayer, layers: int) -> tuple[float, ...]:
    """One value for every layer."""
    return value if isinstance(value, tuple) else (value,) * layers


@dataclass(frozen=True, config=STRICT)
class LayerConfig:
    """What the hidden layers of every network are made of, and what they learn."""

    kind: str = ""
    """Which kind of network it is."""
    on: ClassVar[Literal["images", "text"]] = "images"
    """What the network is trained on."""
    hidden: Annotated[tuple[PositiveInt, ...], Field(min_length=1)] = (2000, 2000, 2000)
    """Units of each hidden layer, from the input up."""
    goodness: Annotated[str, on_menu("goodness")] = "squares"
    """What goodness is: the menu `goodness`."""
    activity: Literal["max", "min"] = "max"
    """max: goodness is high for much activity, and so for positive data; min: for little activity."""
    objective: Annotated[str, on_menu("objective")] = "logistic"
    """What goodness has to do: the menu `objective`."""
    threshold: PerLayer = 1.0
    """Goodness at which p(positive) is a half, for all layers or for each; negative if activity is minimised.
    Of the logistic objective only."""
    sharpness: PerLayer = 30.0
    """Slope of the objective in the goodness, for all layers or for each."""
    context: Literal["own", "below", "all"] = "own"
    """Whose goodness a layer's loss sees: its own; that of the layers below too, held fixed; or of all
    layers. A label then has to be scored by all of them: a feed-forward network names them in `reads`."""
    blocks: PositiveInt = 1
    """Equal parts of every layer that have a loss each (§5.3)."""
    activation: Annotated[str, on_menu("activation")] = "relu"
    """What a unit makes of its total input: the menu `activation`."""
    connection: Annotated[str, on_menu("connection")] = "dense"
    """How a layer or an image reaches a layer: the menu `connection`."""
    peer: NonNegativeFloat = 0.0
    """Strength of peer normalisation (note 9)."""
    centring: bool = False
    """Whether inputs count from the midpoint between positive and negative data; in a layer of a feed-forward
    network that sees a label, from that label's. The layer then learns a covariance, and its biases nothing,
    so that what all cases have in common cannot drift."""
    scaling: Share1 = 0.0
    """Synaptic scaling: how fast the midpoint between the goodness of positive and of negative data is
    brought back to the threshold, by scaling all of a layer's weights after every update."""

    @property
    def placed(self) -> bool:
        """Whether units have a place on the image, which then has to be square."""
        return False

    @property
    def sign(self) -> float:
        """Of the goodness."""
        return 1.0 if self.activity == "max" else -1.0

    @property
    def thresholds(self) -> tuple[float, ...]:
        """Of the hidden layers."""
        return spread(self.threshold, len(self.hidden))

    @property
    def sharpnesses(self) -> tuple[float, ...]:
        """Of the hidden layers."""
        return spread(self.sharpness, len(self.hidden))

    @property
    def by_class(self) -> bool:
        """Whether classes compete: layers then see no label, and there are no negative data."""
        competes: str = pick("objective", self.objective).compete
        return competes == "parts"

    @model_validator(mode="after")
    def layers(self) -> Self:
        for name, value in {"threshold": self.threshold, "sharpness": self.sharpness}.items():
            if isinstance(value, tuple) and len(value) != len(self.hidden):
                raise ValueError(
                    f"{name} has {len(value)} values for {len(self.hidden)} hidden layers: give one or all"
                )
        if any(threshold * self.sign < 0 for threshold in self.thresholds):
            side = "0 or above" if self.sign > 0 else "0 or below"
            raise ValueError(
                f"threshold: expected {side} with activity {self.activity}, found "
                f"{self.threshold}: change its sign, or activity"
            )
        if min(self.sharpnesses) <= 0:
            raise ValueError("sharpness must be above 0")
        if any(units % self.blocks for units in self.hidden):
            raise ValueError(f"blocks: {self.blocks} must divide every layer of {self.hidden}")
        if self.centring and self.peer:
            raise ValueError(
                "peer pulls all cases alike, which centring takes away: give peer=0 or no centring"
            )
        if self.scaling and 0 in self.thresholds:
            raise ValueError("scaling cannot bring goodness to a threshold of 0: give another, or scaling=0")
        alone = len(self.hidden) == 1 and self.context != type(self).context
        if alone or (self.context != "own" and self.scaling):
            raise ValueError(
                "context: expected several hidden layers and no scaling, which knows its own layer alone"
            )
        self.fit_objective()
        self.fit_classes()
        return self

    def fit_objective(self) -> None:
        """Refuse settings that the objective does not use."""
        objective = pick("objective", self.objective)
        if not objective.has_threshold and (self.scaling or set(self.thresholds) != {self.sign}):
            raise ValueError(f"objective {self.objective} has no threshold: leave threshold and scaling out")
        if objective.target == "places" and (self.peer or self.centring or self.scaling):
            raise ValueError(
                f"objective {self.objective} gives cases no sign: leave peer, centring and scaling out"
            )

    def fit_classes(self) -> None:
        """Refuse a goodness for each class without classes that compete, and the other way round."""
        per_class = pick("goodness", self.goodness).per_class
        if per_class and not self.by_class:
            raise ValueError(f"goodness {self.goodness} has one for each class: give objective=classes")
        if self.by_class and not per_class and self.blocks == 1:
            raise ValueError(
                f"objective {self.objective} needs a goodness for every class, found {self.goodness}: give "
                "goodness=scores, random-scores or prototypes, or as many blocks as there are classes"
            )
        if per_class and self.blocks > 1:
            raise ValueError(f"blocks: goodness {self.goodness} has a part for each class: leave blocks out")
        if self.by_class and (self.activity == "min" or self.context != "own"):
            raise ValueError("classes compete with each other alone: leave activity and context out")

    def suits(self, training: TrainingConfig) -> None:
        """Raise ValueError unless the network can be trained on images so."""
        negatives, objective = pick("negatives", training.negatives), pick("objective", self.objective)
        if negatives.absent != self.by_class:
            raise ValueError(
                "negatives: none belongs to an objective over classes, which has no negative data"
            )
        if training.perturbs and len(self.hidden) == 1:
            raise ValueError(
                "hidden_noise and unit_dropout: a single hidden layer sends to no other: set them to 0"
            )
        if training.wake and not objective.single:
            raise ValueError(
                f"wake: objective {self.objective} compares candidates of one update: leave it out"
            )
        if negatives.several and (self.scaling or self.centring):
            raise ValueError(
                f"negatives: scaling and centring need as many negative as positive cases, found "
                f"{training.negatives}: choose another"
            )

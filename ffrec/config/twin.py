"""The configurations of networks whose layers learn from the agreement of pairs."""

from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, NonNegativeFloat, PositiveFloat, PositiveInt, model_validator
from pydantic.dataclasses import dataclass

from ffrec.config.base import STRICT, check_levels, on_menu
from ffrec.config.training import TrainingConfig
from ffrec.registry import pick, register

Stage = Literal["local", "global", "softmax", "backprop"]


@dataclass(frozen=True, config=STRICT)
class AgreementConfig:
    """Hidden layers whose loss is how their activities agree with those of a layer of the same width."""

    kind: str = ""
    """Which kind of network it is."""
    on: ClassVar[Literal["images", "text"]] = "images"
    """What the network is trained on."""
    networks: ClassVar[int]
    """How many there are: two teach each other; one is compared with itself, on other images."""
    hidden: Annotated[tuple[PositiveInt, ...], Field(min_length=1)] = (64, 64)
    """Units of each hidden layer, from the image up."""
    agreement: Annotated[str, on_menu("agreement")] = "contrast"
    """What a pair of layers has to do: the menu `agreement`."""
    sharpness: PositiveFloat = 10.0
    """Slope of the agreement's loss, where it has one."""
    margin: NonNegativeFloat = 0.0
    """What cosines or goodness of pairs are compared with, where the agreement does so."""
    scores: NonNegativeFloat = 0.0
    """Weight of the loss of every layer's own class scores beside that of its agreement: the label is then a
    third view of the image."""
    output: Literal["softmax", "binary"] = "softmax"
    """Loss of the softmax on the last layer: cross-entropy, or the binary cross-entropy of every output."""
    normalised: bool = True
    """Whether the image and the activities have unit mean square where the next layer takes them. If not,
    pixels are shares of the brightest, and activities stay as they are."""
    activation: Annotated[str, on_menu("activation")] = "relu"
    """What a unit makes of its total input: the menu `activation`."""
    connection: Annotated[str, on_menu("connection")] = "dense"
    """How a layer or an image reaches a layer: the menu `connection`."""
    reads: tuple[PositiveInt, ...] = ()
    """Hidden levels that the softmax reads; the last if none is named."""

    @property
    def placed(self) -> bool:
        """Whether units have a place on the image, which then has to be square."""
        return False

    @property
    def read(self) -> tuple[int, ...]:
        """The levels that `reads` stands for."""
        return self.reads or (len(self.hidden),)

    @model_validator(mode="after")
    def consistent(self) -> Self:
        check_levels(self.read, len(self.hidden))
        agreement = pick("agreement", self.agreement)
        for name, taken in {"margin": agreement.takes_margin, "sharpness": agreement.takes_sharpness}.items():
            if not taken and getattr(self, name) != getattr(AgreementConfig, name):
                raise ValueError(f"{name}: agreement {self.agreement} has none: leave it out")
        return self

    def suits(self, training: TrainingConfig) -> None:
        """Raise ValueError unless the network can be trained on images so."""
        training.refuse_negatives("agreement has no negative data by label")
        if training.perturbs and (len(self.hidden) == 1 or not self.normalised):
            raise ValueError(
                "hidden_noise and unit_dropout: expected several hidden layers that send normalised "
                "activities: set them to 0"
            )


DEFAULTS = {name: getattr(AgreementConfig, name) for name in ("agreement", "margin", "sharpness")}


@register("config", "twin")
@dataclass(frozen=True, config=STRICT)
class TwinConfig(AgreementConfig):
    """Two networks of one shape that see the same image: improved FFCL, Gananath 2024."""

    kind: Literal["twin"] = "twin"
    networks: ClassVar[int] = 2
    views: Literal["image", "class"] = "image"
    """Whether the second network sees the same image, or another one of its class."""


@register("config", "staged")
@dataclass(frozen=True, config=STRICT)
class StagedConfig(AgreementConfig):
    """One network that is compared with itself, stage after stage: FFCL (Ahmed et al. 2023) and FFCM
    (Aghagolzadeh and Ezoji 2024)."""

    kind: Literal["staged"] = "staged"
    networks: ClassVar[int] = 1
    stages: Annotated[tuple[tuple[Stage, PositiveInt], ...], Field(min_length=1)] = (
        ("local", 20),
        ("softmax", 10),
    )
    """What is learnt, and for how many epochs: `local`, every hidden layer by its own agreement; `global`,
    all of them by that of the last, backpropagated; `softmax`, the softmax alone; `backprop`, all layers by
    the softmax's loss, backpropagated."""

    @model_validator(mode="after")
    def compared(self) -> Self:
        if self.agreement in ("cosine", "decorrelation"):
            raise ValueError(f"agreement {self.agreement}: a network agrees with itself anyway: use pairs")
        done = {name for name, _ in self.stages}
        if not done & {"softmax", "backprop"}:
            raise ValueError("stages: expected one of softmax or backprop, or nothing ever predicts: add one")
        if "backprop" in done and self.output == "binary":
            raise ValueError("output: backprop stages have the softmax's cross-entropy: leave binary out")
        own = [name for name in ("agreement", "margin", "sharpness") if getattr(self, name) != DEFAULTS[name]]
        if own and not done & {"local", "global"}:
            raise ValueError(f"{own[0]}: no stage compares layers: leave it out")
        if self.scores and ("global" in dict(self.stages) or "local" not in dict(self.stages)):
            raise ValueError(
                "scores: they are learnt in local stages, and backpropagated in none: set it to 0"
            )
        return self

    @property
    def backpropagates(self) -> bool:
        """Whether any stage does."""
        return bool({"global", "backprop"} & dict(self.stages).keys())

    def stage(self, epoch: int) -> Stage:
        """What is learnt in an epoch, counted from 0."""
        every = [name for name, epochs in self.stages for _ in range(epochs)]
        return every[epoch]

    def suits(self, training: TrainingConfig) -> None:
        super().suits(training)
        if training.perturbs:
            raise ValueError("hidden_noise and unit_dropout: stages have none: set them to 0")
        total = sum(epochs for _, epochs in self.stages)
        if total != training.epochs:
            raise ValueError(
                f"epochs: stages have {total} in all, found {training.epochs}: give epochs={total}"
            )

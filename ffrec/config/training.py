"""How a network is trained: optimiser, phases, data."""

import dataclasses
from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import Field, NonNegativeFloat, PositiveFloat, PositiveInt, model_validator
from pydantic.dataclasses import dataclass

from ffrec.config.base import STRICT, Share, Share1, on_menu


@dataclass(frozen=True, config=STRICT)
class OptimiserConfig:
    """Weight updates of every network: torch's optimisers and schedules by name."""

    optimiser: str = "AdamW"
    """Any class of torch.optim."""
    optimiser_options: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    """More arguments of that class, by name."""
    rate: PositiveFloat = 1e-3
    """Learning rate of the hidden layers."""
    softmax_rate: PositiveFloat = 1e-3
    """Learning rate of the softmax."""
    weight_decay: NonNegativeFloat = 0.0
    """Weight decay of all weights; biases have none."""
    softmax_weight_decay: NonNegativeFloat | None = None
    """Weight decay of the softmax, where it is to be another."""
    schedule: Annotated[str, on_menu("rate schedule")] = "half-linear"
    """How the learning rates change with the share of the updates that is done: the menu `rate schedule`."""

    @model_validator(mode="after")
    def optioned(self) -> Self:
        own = {"lr": "rate and softmax_rate", "weight_decay": "weight_decay and softmax_weight_decay"}
        for name in own.keys() & self.optimiser_options.keys():
            raise ValueError(f"optimiser_options: {name} would be ignored: give {own[name]}")
        return self


@dataclass(frozen=True, config=STRICT)
class PhasedConfig(OptimiserConfig):
    """When positive and when negative data is learnt from: Lică and Dinucu-Jianu 2023."""

    wake: PositiveInt | Literal["epoch"] | None = None
    """Batches of a wake phase, on positive data alone; none learns from both kinds in every update."""
    sleep: PositiveInt | Literal["epoch"] = 1
    """Batches of a sleep phase, on negative data alone, where there are wake phases."""
    wake_rate: PositiveFloat | None = None
    """Learning rate of the hidden layers in wake phases; none: rate / wake (Lică and Dinucu-Jianu 2023,
    equation 4)."""
    states: Literal["shared", "separate"] = "shared"
    """Whether wake and sleep phases share the optimiser's moving averages."""
    baseline: Share1 = 0.0
    """Share of the other phase's mean gradient that is added to every gradient, in phases (note 15)."""

    @property
    def wake_share(self) -> float:
        """Share of `rate` that hidden layers learn with in wake phases."""
        if self.wake_rate:
            return self.wake_rate / self.rate
        return 1.0 / self.wake if isinstance(self.wake, int) else 1.0

    @model_validator(mode="after")
    def timed(self) -> Self:
        if self.wake is None and (self.baseline or self.wake_rate):
            raise ValueError("baseline and wake_rate are for wake and sleep phases: give wake as well")
        if self.wake == "epoch" and not self.wake_rate:
            raise ValueError("wake_rate: expected one, as a whole epoch has no number of batches yet")
        if self.wake is None and (self.sleep != 1 or self.states != "shared"):
            raise ValueError("sleep and states are for wake and sleep phases: give wake as well")
        return self


@dataclass(frozen=True, config=STRICT)
class TrainingConfig(PhasedConfig):
    """How a network is trained on images: data order, negatives, optimiser and its schedule."""

    epochs: PositiveInt = 60
    """Passes over the training images."""
    batch: PositiveInt = 200
    """Images of one weight update."""
    negatives: Annotated[str, on_menu("negatives")] = "hard"
    """Where negative data comes from: the menu `negatives`."""
    hybrid_labels: Literal["uniform", "shuffled"] = "shuffled"
    """Labels of hybrid images, if the network has labels: wrong for the first of their two images, each as
    likely as any other; or those of the batch in another order."""
    repeats: PositiveInt = 1
    """Weight updates from every batch, one after another: from the same shifts, hybrids and wrong labels."""
    validate_every: PositiveInt = 1
    """Epochs from one validation to the next; the last epoch always has one."""
    train_on_validation: bool = False
    """Whether validation images are learnt from too, once they have chosen every setting: there is then no
    validation. Whoever loads the images joins them (`Corpus.joined`)."""
    jitter: Annotated[int, Field(ge=0, le=28)] = 0
    """Largest random shift in pixels, in both directions, of every training image."""
    mirror: bool = False
    """Whether every training image is shown as its mirror image half of the times."""
    cutout: Annotated[int, Field(ge=0)] = 0
    """Side in pixels of a square that is set to zero in every training image, around a place that is drawn
    afresh in every batch (DeVries and Taylor 2017)."""
    dropout: Share = 0.0
    """Share of every training image's pixels that is set to zero, afresh in every batch."""
    noise: NonNegativeFloat = 0.0
    """Standard deviation of Gaussian noise on every training image, in units of its root mean square, afresh
    in every batch."""
    hidden_noise: NonNegativeFloat = 0.0
    """Standard deviation of Gaussian noise on what every hidden layer sends, which has unit mean square,
    where layers learn from labels that are tried: afresh in every step and for every candidate."""
    unit_dropout: Share = 0.0
    """Share of what every hidden layer sends that is set to zero, and the rest divided by what is left of 1,
    where and when there is hidden noise."""
    permute: Annotated[int, Field(ge=0, lt=2**63)] | None = None
    """Seed of one fixed permutation of the pixels, the same for every image; none by default."""

    @property
    def perturbs(self) -> bool:
        """Whether anything changes what hidden layers send while they learn."""
        return bool(self.hidden_noise or self.unit_dropout)

    @property
    def varies(self) -> bool:
        """Whether training images are shown otherwise than they are, afresh in every batch."""
        return bool(self.jitter or self.mirror or self.cutout or self.dropout or self.noise)

    def refuse_negatives(self, why: str) -> None:
        """Raise ValueError, saying why, for a setting of negative data."""
        for name in ("wake", "sleep", "states", "negatives", "hybrid_labels", "repeats"):
            if getattr(self, name) != getattr(TrainingConfig(), name):
                raise ValueError(f"{name}: {why}: leave it out")


@dataclass(frozen=True, config=STRICT)
class TextTraining(PhasedConfig):
    """How a network is trained on strings of characters."""

    epochs: PositiveInt = 20
    """Epochs of training, of so many `passes` each."""
    passes: PositiveInt = 10
    """Passes over the strings that make an epoch, at whose end there are metrics."""
    validate_every: PositiveInt = 1
    """Epochs from one validation to the next; the last epoch always has one."""
    strings: PositiveInt | None = 248
    """Training strings, the first of the data's; none means all."""
    batch: PositiveInt = 248
    """Strings of a weight update; 248 give the paper's 22,320 predictions."""
    regime: Annotated[str, on_menu("regime")] = "together"
    """Where negative data comes from and when it is learnt from: the menu `regime`."""
    night: PositiveInt = 1
    """Batches from one generation of all negative strings to the next (regime night)."""
    negatives: Annotated[str, on_menu("negatives")] = "all"
    """Which characters compete with the one that came, where characters are tried: the menu `negatives`; hard
    ones are drawn from the prediction of the network's softmax."""
    temperature: PositiveFloat = 1.0
    """Of the softmax that negative characters are sampled from."""
    dropout: Share = 0.0
    """Share of the hidden activities that the softmax does not read, afresh in every batch."""
    hidden_dropout: Share | tuple[Share, ...] = 0.0
    """Share of every hidden layer, or of each, that is set to zero, afresh in every batch and iteration, and
    alike for all characters that are tried after a window; its goodness is that of the rest."""
    blanks: Share = 0.0
    """Share of the characters of every window that are blank, afresh in every batch."""

    @model_validator(mode="after")
    def apart(self) -> Self:
        if self.wake and self.regime != "together":
            raise ValueError(f"wake: phases apart need regime together, found {self.regime}")
        if self.night != 1 and self.regime != "night":
            raise ValueError(
                f"night: regime {self.regime} generates before every batch or never: leave it out"
            )
        if self.temperature != 1 and self.regime == "random":
            raise ValueError("temperature: regime random generates no negative strings: leave it out")
        return self

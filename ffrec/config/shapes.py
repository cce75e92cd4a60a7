"""The shape of layers that are maps."""

from typing import Self

from pydantic import PositiveInt, model_validator
from pydantic.dataclasses import dataclass

from ffrec.config.base import STRICT
from ffrec.config.training import TrainingConfig

Counts = PositiveInt | tuple[PositiveInt, ...]


@dataclass(frozen=True, config=STRICT)
class Fields:
    """Receptive fields on maps that have the sides of the image."""

    field: PositiveInt | None = None
    """Side of the square receptive fields of all layers, an odd number; every layer then has the same number
    of units at every place of the image. None: full connectivity."""

    @property
    def placed(self) -> bool:
        """Whether units have a place on the image, which then has to be square."""
        return self.field is not None

    @model_validator(mode="after")
    def centred(self) -> Self:
        if self.field is not None and self.field % 2 == 0:
            raise ValueError(f"field: expected an odd number, with a place in its middle, found {self.field}")
        return self

    def check_places(self, training: TrainingConfig) -> None:
        """Raise ValueError for pixels that are not in their places."""
        if self.field is not None and training.permute is not None:
            raise ValueError("permute: receptive fields need pixels in their places: leave it out")


@dataclass(frozen=True, config=STRICT)
class Shapes:
    """Kernels, pools and grids, for all layers or for each."""

    hidden: tuple[PositiveInt, ...] = (32, 64, 128, 256)
    """Channels of each hidden layer, from the image up."""
    kernel: Counts = 3
    """Side of the kernel, an odd number, for all layers or for each; maps keep their sides."""
    pool: Counts = 2
    """Side of the squares of which a layer keeps the largest activity, for all layers or for each."""
    grid: Counts = 2
    """What reads a layer sees the mean of every channel in each square of a grid × grid grid, for all layers
    or for each."""

    def each(self, name: str) -> tuple[int, ...]:
        """The `kernel`, `pool`, `grid` or another such count of every layer."""
        value: int | tuple[int, ...] = getattr(self, name)
        return value if isinstance(value, tuple) else (value,) * len(self.hidden)

    def check_each(self, name: str) -> None:
        """Raise ValueError unless there is such a count for every layer."""
        if len(self.each(name)) != len(self.hidden):
            raise ValueError(
                f"{name} has {len(self.each(name))} values for {len(self.hidden)} hidden layers: give one or "
                "all"
            )

    @property
    def placed(self) -> bool:
        """Whether units have a place on the image, which then has to be square."""
        return True

    @property
    def pooled(self) -> tuple[int, ...]:
        """How many means of channels what reads a layer sees, of every layer."""
        return tuple(side**2 * units for side, units in zip(self.each("grid"), self.hidden, strict=True))

    @model_validator(mode="after")
    def shaped(self) -> Self:
        for name in ("kernel", "pool", "grid"):
            self.check_each(name)
        if any(side % 2 == 0 for side in self.each("kernel")):
            raise ValueError(f"kernel: expected odd numbers, found {self.kernel}")
        return self

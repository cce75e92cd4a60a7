"""What a layer asks of the processes that learn from other parts of the same batch."""

from torch import Tensor, nn


class Exchange:
    """Of a process that learns alone: its cases are the whole batch."""

    share: float = 1.0
    """Share of the batch that this process has."""

    def mean(self, value: Tensor) -> Tensor:
        """The mean over the batch of what is a mean over this process's cases."""
        return value

    def sum(self, value: Tensor) -> Tensor:
        """The sum over the batch of what is a sum over this process's cases."""
        return value

    def ready(self, module: nn.Module) -> None:
        """Called once a module's gradients are complete: they may travel while others are computed."""


ALONE = Exchange()

"""What processes that train one network share, and when: nothing, for a process that is alone."""

from typing import Any

import torch
from torch import nn

from ffrec.learning.exchange import Exchange


class Sharing(Exchange):
    """The steps of an update at which processes may have to exchange something.

    `ready` (of a layer) … `finish`, then the optimiser's step, then `spread` … `settle`, before the next
    update reads the weights.
    """

    def own(self, parameter: nn.Parameter) -> nn.Parameter:
        """What this process's optimiser steps of a parameter."""
        return parameter

    def finish(self) -> None:
        """Wait until all gradients are those of the whole batch."""

    def spread(self) -> None:
        """The optimiser has made its step."""

    def settle(self) -> None:
        """Wait until all weights are whole."""

    def meet(self) -> None:
        """Make all processes' weights the same now."""

    def whole_state(self, optimiser: torch.optim.Optimizer) -> Any:
        """The optimiser's state as a run on a single process has it."""
        return optimiser.state_dict()

    def load_whole(self, optimiser: torch.optim.Optimizer, state: Any) -> None:
        """Give an optimiser its part of a whole state."""
        optimiser.load_state_dict(state)

    def state_dict(self) -> dict[str, Any]:
        """What else a resumed run needs."""
        return {}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go back to a `state_dict`, once the network has its weights."""


ALONE = Sharing()

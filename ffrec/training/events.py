"""What happens while a network is trained: what a trainer yields, and the errors that end a training."""

from dataclasses import dataclass
from typing import Any


class Diverged(Exception):
    """The loss stopped being a number; the message names the layer and the update."""


class Collapsed(Diverged):
    """Nothing is learnt any more, though the loss is a number; the message says what was found."""


@dataclass(frozen=True)
class Update:
    """One batch has been learnt from."""

    epoch: int
    step: int
    steps: int


@dataclass(frozen=True)
class Epoch:
    """One epoch is done; `record` is its line in metrics.jsonl."""

    record: dict[str, Any]


@dataclass(frozen=True)
class Interrupted:
    """Training was asked to stop, and its checkpoint is written."""

    step: int

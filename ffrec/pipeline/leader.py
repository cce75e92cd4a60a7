"""The first stage of a pipeline: it draws, decides, validates and writes."""

from types import TracebackType
from typing import Any, Self

import torch
from torch import Tensor

from ffrec.pipeline.link import agree, gather
from ffrec.pipeline.state import add_names
from ffrec.pipeline.trainer import StageTrainer
from ffrec.storage.run_folder import RunFolder
from ffrec.training.trainer import Trainer

GO, STOP = 1, 0
BAD = "not finite"  # what a stage that finds such a loss writes on the board


class Leader(StageTrainer):
    """The stage that a run is seen from: a trainer like any other, whose upper layers learn elsewhere.

    The other stages wait for its commands: `Follower`. Within an epoch they need none, and nothing comes back
    from them: the leader waits only where it is ahead by more messages than the links hold, and where all
    that was learnt is brought together, at the end of an epoch or before a checkpoint.
    """

    running = False
    """Whether the stages above wait for batches."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Let the other stages go, unless something went wrong in the middle of an epoch."""
        if not self.running:
            agree(("end", 0 if error is None else getattr(error, "exit_code", 1)))
            self.leave()

    def flag(self, value: int) -> None:
        """Say to the stages above whether there is one more batch."""
        for link in self.stage.flags[:1]:
            link.send(torch.tensor([value]))

    def update(self, index: Tensor) -> Tensor:
        if not self.running:
            agree(("learn", self.epoch, self.step))
            self.open()
            self.running = True
        self.flag(GO)
        self.complete = False
        return super().update(index)

    def drain(self) -> None:
        """Wait until all stages have learnt from all batches so far, and fetch what they measured."""
        if self.running:
            if self.step < self.steps:
                self.flag(STOP)
            self.close()
            self.running = False
            agree(("measured",))
            self.history[: self.step] = self.sum_history()

    def fetch(self) -> None:
        """Fetch the weights of the other stages."""
        self.drain()
        if not self.complete:
            agree(("weights",))
            held = self.network.state_dict()
            for weights in gather(None)[1:]:
                for name, tensor in weights.items():
                    held[name].copy_(tensor)
            self.complete = True

    def check(self) -> None:
        layers = self.history[: self.step, : self.learning_layers + 1]
        if self.step == self.steps or self.board.check([BAD]) or not layers.isfinite().all():
            self.drain()
        super().check()

    def trace(self) -> dict[str, list[float]]:
        self.fetch()
        return super().trace()

    def activities(self) -> list[Tensor]:
        self.fetch()
        return super().activities()

    def end_epoch(self) -> dict[str, Any]:
        record = super().end_epoch()
        self.fetch()
        return record

    def save(self, folder: RunFolder | None, sparing: bool = False) -> bool:
        self.fetch()
        Trainer.check(self)
        return super().save(folder, sparing)

    def state(self) -> dict[str, Any]:
        """Everything but the weights that a resumed run needs, of this kind or an ordinary one."""
        state = super().state()
        agree(("state",))
        for part in gather(None)[1:]:
            for name in ("optimiser", "sleep_optimiser"):
                if state[name] is not None:
                    state[name]["state"] |= part[name]
            for name in ("sums", "means"):
                if state["gradient_baseline"]:
                    add_names(state["gradient_baseline"][name], part["gradient_baseline"][name])
        return state

    def restore(self, weights: dict[str, Tensor], state: dict[str, Any]) -> None:
        agree(("restore", weights, state))
        super().restore(weights, state)

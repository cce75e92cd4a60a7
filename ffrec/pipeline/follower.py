"""Any stage of a pipeline but the first."""

import torch

from ffrec.pipeline.leader import BAD, GO
from ffrec.pipeline.link import agree, gather
from ffrec.pipeline.trainer import StageTrainer
from ffrec.storage.checkpoint import on_cpu
from ffrec.training.arithmetic import computing
from ffrec.training.trainer import CHECK_EVERY


class Follower(StageTrainer):
    """A stage that does what the leader says, until it says that the run has ended."""

    def serve(self) -> int:
        """Follow the leader to the end of the run; returns the exit code of that one."""
        while True:
            command, *details = agree(None)
            if command == "end":
                self.leave()
                code: int = details[0]
                return code
            if command == "learn":
                self.follow(*details)
            elif command == "measured":
                self.sum_history()
            elif command == "weights":
                gather(on_cpu({n: t for n, t in self.network.state_dict().items() if self.own(n)}))
            elif command == "state":
                gather(on_cpu(self.own_state()))
            elif command == "restore":
                self.restore(*details)

    def follow(self, epoch: int, step: int) -> None:
        """Learn from batches from there on, to the end of the epoch or until the leader stops."""
        self.epoch, self.step = epoch, step
        self.open()
        batches = self.batches()
        with torch.no_grad(), computing(self.network, self.arithmetic, self.device):
            while self.step < self.steps and self.told_to_go_on():
                self.history[self.step] = self.update(batches[self.step])
                self.step += 1
                if self.step % CHECK_EVERY == 0 and not self.history[: self.step].isfinite().all():
                    self.board.set(BAD, str(self.stage.rank))
        self.close()

    def told_to_go_on(self) -> bool:
        """Whether there is one more batch; the stage above is told so too."""
        flags, rank = self.stage.flags, self.stage.rank
        (flag,) = flags[rank - 1].receive((1,))
        for link in flags[rank : rank + 1]:
            link.send(flag)
        return int(flag) == GO

    def own_state(self) -> dict[str, object]:
        """This stage's share of the state."""
        state = super().state()
        for name in ("optimiser", "sleep_optimiser"):
            state[name] = state[name] and state[name]["state"]
        return {name: state[name] for name in ("optimiser", "sleep_optimiser", "gradient_baseline")}

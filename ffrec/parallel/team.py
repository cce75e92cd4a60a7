"""The processes of one run: started by torchrun, or a single one that starts nothing."""

import os
import sys
from collections.abc import Callable
from datetime import timedelta
from types import TracebackType
from typing import Any, NoReturn, Self, TypeVar

import torch
import torch.distributed as dist
from torch import Tensor
from torch._C._distributed_c10d import PrefixStore
from torch.distributed.rendezvous import rendezvous

from ffrec.config import ConfigError

T = TypeVar("T")
PATIENCE = timedelta(hours=3)  # for an evaluation elsewhere, or a download; a death is noticed at once
AGREE_EVERY = 8  # updates between two times that processes ask each other whether to stop


class Elsewhere(Exception):
    """Another process has found and said why the run cannot go on."""


class Lost(Exception):
    """A process does not answer any more: it has ended, or the network between them has."""


class Team:
    """The processes that share a run. Every method is called by all of them, in the same order."""

    def __init__(self, rank: int = 0, world: int = 1, device: torch.device | str = "cpu") -> None:
        self.rank, self.world, self.device = rank, world, torch.device(device)

    @classmethod
    def start(cls, device: torch.device) -> "Team":
        """The team that torchrun's environment names: gloo between CPUs, nccl between GPUs; without torchrun
        a team of one, for which nothing is initialised. Raises ConfigError for another device."""
        if not launched():
            return cls(device=device)
        if device.type not in ("cpu", "cuda"):
            raise ConfigError(f"device: expected cpu or cuda under torchrun, found {device.type}")
        backend = "gloo"
        if device.type == "cuda":
            device, backend = (
                torch.device("cuda", int(os.environ.get("LOCAL_RANK", "0"))),
                "cpu:gloo,cuda:nccl",
            )
            torch.cuda.set_device(device)
        store, rank, world = next(rendezvous("env://"))
        if os.environ.get("LOCAL_WORLD_SIZE") == str(world):
            # on one machine torchrun keeps its store when it starts again, with addresses of the dead
            store = PrefixStore(f"attempt-{restarts()}", store)
        dist.init_process_group(backend, timeout=PATIENCE, store=store, rank=rank, world_size=world)
        return cls(dist.get_rank(), dist.get_world_size(), device)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if dist.is_initialized() and kind is None:
            dist.barrier()  # nobody leaves while another still sends
        if dist.is_initialized():
            dist.destroy_process_group()
        if error is not None and not self.first and not isinstance(error, Elsewhere):
            error.add_note(f"process {self.rank}")  # of what this process alone may have found
        if self.world > 1 and isinstance(error, RuntimeError) and "gloo" in str(error):
            raise Lost(
                f"process {self.rank} of {self.world} hears nothing of another one any more: "
                "--resume, or torchrun --max-restarts, goes on from the last checkpoint"
            ) from None

    @property
    def first(self) -> bool:
        """Whether this is the process that writes and prints."""
        return self.rank == 0

    def part(self, count: int) -> slice:
        """The places of this process's cases in a batch of `count`: contiguous, equal to within one."""
        return slice(self.rank * count // self.world, (self.rank + 1) * count // self.world)

    def sum_(self, value: Tensor) -> Tensor:
        """The sum over all processes, in place."""
        if self.world > 1 and value.numel():
            dist.all_reduce(value)
        return value

    def whole(self, own: Tensor, count: int) -> Tensor:
        """The values of all `count` cases, `(count, …)`, from those of this process's `part`."""
        if self.world == 1:
            return own
        every = own.new_zeros(count, *own.shape[1:])
        every[self.part(count)] = own
        return self.sum_(every)  # everything else is 0: the sum is exact

    def lead(self, action: Callable[[], T]) -> T:
        """What the first process's `action` returns; the others wait for it. Its error is raised there, and
        Elsewhere in the others."""
        if self.world == 1:
            return action()
        found: list[Any] = [False, None]
        try:
            if self.first:
                found = [True, action()]
        finally:
            dist.broadcast_object_list(found, src=0, device=torch.device("cpu"))
        if not found[0]:
            raise Elsewhere("the first process could not go on")
        result: T = found[1]
        return result

    def any(self, yes: bool) -> bool:
        """Whether any process says yes."""
        return yes if self.world == 1 else bool(self.sum_(torch.tensor(int(yes))))

    def stops(self, asked: Callable[[], bool], update: int) -> bool:
        """Whether any process was asked to stop; they ask each other every few updates."""
        return (self.world == 1 or update % AGREE_EVERY == 0) and self.any(asked())


def leave(code: int = 0) -> NoReturn:
    """End this process at once: threads of gloo that still hold tensors abort a Python that cleans up after
    itself (pytorch/pytorch#179291)."""
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def launched() -> bool:
    """Whether torchrun, or something like it, started this process."""
    return "RANK" in os.environ and "WORLD_SIZE" in os.environ


def restarts() -> int:
    """How often torchrun has started this run again."""
    return int(os.environ.get("TORCHELASTIC_RESTART_COUNT", "0")) if launched() else 0


ALONE = Team()

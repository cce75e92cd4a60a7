"""Messages from one stage of a pipeline to the next, by torch.distributed."""

import math
import os
import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from datetime import timedelta
from itertools import cycle
from typing import Any, Protocol

import torch
import torch.distributed as dist
from torch import Tensor

PATIENCE = timedelta(days=1)  # a stage waits for an evaluation; one that died is noticed at once


class Board(Protocol):
    """What one process writes on it, the others find: a store of torch.distributed."""

    def set(self, key: str, value: str, /) -> None: ...
    def check(self, keys: list[str], /) -> bool: ...


def shared_board() -> Board:
    """A new board, with the first process."""
    host, first = os.environ["MASTER_ADDR"], dist.get_rank() == 0
    opened = dist.TCPStore  # type: ignore[attr-defined]  # which torch does not say it exports
    server = opened(host, 0, is_master=True, wait_for_workers=False) if first else None
    port = agree(server and server.port)
    board: Board = server or opened(host, port, is_master=False)
    return board


class Link:
    """Messages of at most `size` numbers from one process to another, in order.

    Every process of the pipeline makes all links, in the same order. Neither end waits while messages are
    worked with and the next is under way, each in one of `buffers`: the sender is ahead by as many, and by no
    more.
    """

    def __init__(
        self, source: int, target: int, size: int, buffers: int, dtype: torch.dtype, device: torch.device
    ) -> None:
        self.source, self.target = source, target
        self.group = dist.new_group([source, target], timeout=PATIENCE)
        self.sends, self.receives = (dist.get_rank() == end for end in (source, target))
        count = buffers if self.sends or self.receives else 0
        self.buffers = [torch.zeros(size, dtype=dtype, device=device) for _ in range(count)]
        self.free, self.under_way = cycle(self.buffers), deque[tuple[dist.Work, Tensor]]()
        self.left = 0
        """Messages that are still to come before the link is closed."""
        self.waited = 0.0
        """Seconds that this end has waited for the other."""

    def open(self, messages: int) -> None:
        """Get ready for so many messages."""
        self.left = messages
        self.expect()

    def expect(self) -> None:
        """Let the next message come while something else is done."""
        if self.receives and self.left and not self.under_way:
            self.start(dist.irecv, self.source, next(self.free))

    def start(self, move: Callable[..., dist.Work | None], other: int, buffer: Tensor) -> None:
        work = move(buffer, other, self.group)
        assert work is not None  # for the type checker: this process is in the group
        self.under_way.append((work, buffer))
        self.left -= 1

    def wait(self) -> Tensor:
        """The buffer of the oldest message under way, once it has come or gone."""
        work, buffer = self.under_way.popleft()
        start = time.perf_counter()
        work.wait()
        self.waited += time.perf_counter() - start
        return buffer

    def send(self, *parts: Tensor) -> None:
        """Send tensors side by side, without waiting for them to arrive."""
        if len(self.under_way) == len(self.buffers):
            self.wait()
        buffer, start = next(self.free), 0
        for part in parts:
            buffer[start : start + part.numel()].view(part.shape).copy_(part)
            start += part.numel()
        self.start(dist.isend, self.target, buffer)

    def receive(self, *shapes: Sequence[int]) -> list[Tensor]:
        """The next message, in parts of these shapes; they stay what they are until as many more messages
        have come as there are buffers, less one."""
        buffer, sizes = self.wait(), [math.prod(shape) for shape in shapes]
        self.expect()
        parts = buffer[: sum(sizes)].split(sizes)
        return [part.view(*shape) for part, shape in zip(parts, shapes, strict=True)]

    def close(self) -> None:
        """End an exchange, also before its time: one empty message for a receiver that expects one."""
        if self.sends and self.left:
            self.send()
        while self.under_way:
            self.wait()
        self.left = 0


def disconnect(links: Iterable[Link]) -> None:
    """Give up links, once all processes are here."""
    dist.barrier()
    for link in links:
        dist.destroy_process_group(link.group)
        del link.group


def agree(value: Any) -> Any:
    """What the first stage says, in every stage: plain data and tensors."""
    held = [value]
    dist.broadcast_object_list(held, 0)
    return held[0]


def gather(value: Any) -> list[Any]:
    """What every stage says, in order, at the first stage; nothing at the others."""
    found: list[Any] = [None] * dist.get_world_size()
    first = dist.get_rank() == 0
    dist.gather_object(value, found if first else None, 0)
    return found if first else []


def total(value: Tensor) -> Tensor:
    """The sum over the stages of a tensor, at the first stage."""
    dist.reduce(value, 0)
    return value

"""Ctrl-C and SIGTERM as a request that the training loop answers when it is safe."""

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType, TracebackType
from typing import Any, Self

from cli import errors


@contextmanager
def once() -> Iterator[None]:
    """Within the block the first Ctrl-C raises KeyboardInterrupt, and all that come while the program tidies
    up are ignored, until it has ended."""

    def interrupt(number: int, _frame: FrameType | None) -> None:
        signal.signal(number, signal.SIG_IGN)
        raise KeyboardInterrupt

    signal.signal(signal.SIGINT, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, signal.SIG_IGN)


@contextmanager
def at_once() -> Iterator[None]:
    """Within the block Ctrl-C ends the process there and then: imports that it cuts short raise anything, and
    nothing has begun that would have to be tidied up."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, lambda *_: os._exit(errors.INTERRUPTED))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


class Signals:
    """While entered, the first SIGINT or SIGTERM is only noted; a second one acts as it always does."""

    def __init__(self) -> None:
        self.received = 0
        self.before: dict[int, Any] = {}

    def __enter__(self) -> Self:
        for number in (signal.SIGINT, signal.SIGTERM):
            self.before[number] = signal.signal(number, self.note)
        return self

    def note(self, number: int, _frame: FrameType | None) -> None:
        self.received = number
        self.restore()

    def restore(self) -> None:
        for number, handler in self.before.items():
            signal.signal(number, handler)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.restore()

    @property
    def exit_code(self) -> int:
        """What a shell expects of a process that a signal ended: 130 or 143; of a team, also where another
        process received it."""
        return 128 + (self.received or signal.SIGTERM)

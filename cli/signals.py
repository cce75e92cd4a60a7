"""Ctrl-C and SIGTERM as a request that the training loop answers when it is safe."""

import signal
from types import FrameType, TracebackType
from typing import Any, Self


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

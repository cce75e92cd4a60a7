"""The journal of a study after a crash: what is whole of it is kept, and what is not is said.

Optuna adds lines and reads them all. A process that dies, or a disk that is full, in the middle of a line
leaves one that no later reader gets past. Nothing was done that the lost line was to record: it is written
first. Where lines in the middle are lost, the run folders have what came after.
"""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from optuna.storages import JournalStorage
from optuna.storages.journal import BaseJournalBackend, JournalFileOpenLock
from pydantic import FiniteFloat

from ffrec.storage.files import write_atomic
from ffrec.storage.schemas import Count, Open, Word


class Unlocked(JournalFileOpenLock):
    """In place of Optuna's lock, which a process that is killed leaves for half a minute: whoever changes the
    journal holds the study's."""

    def acquire(self) -> bool:
        return True

    def release(self) -> None:
        pass


class Attributes(Open):
    """What sweeps and searches add to a trial."""

    cell: Word = ""
    starts: Count = 0
    same_as: Count = 0
    epochs: Count = 0
    seconds: FiniteFloat = 0.0
    measure: Word = ""
    reason: Word = ""


class Line(Open):
    """A line of a journal, as far as Optuna does not look at it."""

    user_attrs: Attributes = Attributes()
    user_attr: Attributes = Attributes()
    param_value_internal: FiniteFloat = 0.0


class Replay(BaseJournalBackend):
    """Records as Optuna reads them, one more at a time: `read` raises what Optuna does for one that it cannot
    read, which may be anything."""

    def __init__(self) -> None:
        self.records: list[dict[str, Any]] = []
        self.storage = JournalStorage(self)

    def read_logs(self, log_number_from: int) -> Iterable[dict[str, Any]]:
        return self.records[log_number_from:]

    def append_logs(self, logs: list[dict[str, Any]]) -> None:
        self.records += logs

    def read(self, record: dict[str, Any]) -> None:
        self.append_logs([record])
        self.storage.get_all_studies()


def mend(journal: Path) -> str:
    """Cut a journal after its last line that is whole, and keep what is cut off beside it; returns what was
    dropped, in words, "" if nothing was. The study's lock has to be held."""
    data = journal.read_bytes() if journal.is_file() else b""
    good = whole(data)
    if good == len(data):
        return ""
    aside = journal.with_name(f"{journal.name}.damaged")
    write_atomic(aside, data[good:])
    write_atomic(journal, data[:good])
    first, lost = data[:good].count(b"\n") + 1, len(data[good:].splitlines())
    return (
        f"{journal} was damaged: the last {lost} of its lines, from line {first} on, are dropped, and kept "
        f"in {aside.name}; runs that they told of go on from their folders"
    )


def whole(data: bytes) -> int:
    """How many bytes of a journal are whole lines that Optuna can read."""
    good, replay = 0, Replay()
    for line in data.splitlines(keepends=True):
        try:
            if not line.endswith(b"\n"):
                break
            Line.model_validate_json(line, strict=True)
            replay.read(json.loads(line))
        except Exception:
            break
        good += len(line)
    return good

"""The journal of a study after a crash: what is whole of it is kept, and what is not is said.

Optuna adds lines and reads them all. A process that dies, or a disk that is full, in the middle of a line
leaves one that no later reader gets past. Nothing was done that the lost line was to record: it is written
first. Where lines in the middle are lost, the run folders have what came after.
"""

import json
from pathlib import Path

from optuna.storages.journal import JournalFileOpenLock

from ffrec.storage.files import write_atomic


class Unlocked(JournalFileOpenLock):
    """In place of Optuna's lock, which a process that is killed leaves for half a minute: whoever changes the
    journal holds the study's."""

    def acquire(self) -> bool:
        return True

    def release(self) -> None:
        pass


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
    """How many bytes of a journal are whole lines, each a JSON object."""
    good = 0
    for line in data.splitlines(keepends=True):
        try:
            if not line.endswith(b"\n") or not isinstance(json.loads(line), dict):
                break
        except (ValueError, RecursionError):
            break
        good += len(line)
    return good

"""A folder that any number of processes, on any machines that share it, work in together.

Its record is an Optuna study (`record`), which is read and changed under one lock. Whoever works on a run
holds the lock beside the run's folder; the system takes a lock back from a process that dies, so a run that
is not finished and whose lock is free has been left, and is taken up again from its last checkpoint. That
lock, `PATH.lock`, is taken before there is a folder, and says whose a trial is; `run.lock` in the folder
keeps all other commands from writing the run meanwhile, as it does for every run. The folder's file system
has to pass locks on between machines, as NFS 4 does. A machine may reach the folder by a path of its own: the
record holds names, and locks are on files, not on paths.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol, TypeVar

import optuna
from filelock import FileLock, Timeout

from ffrec.storage.files import RunError, brief, room
from ffrec.storage.run_folder import RunFolder
from ffrec.studies.journal import mend
from ffrec.studies.record import JOURNAL, Kind, database, open_study
from ffrec.tasks.recorded import settings
from ffrec.tasks.task import Task

optuna.logging.set_verbosity(optuna.logging.ERROR)


class Closing(Protocol):
    """A run that this process works on, and nobody else."""

    def close(self) -> None:
        """Write down how the work ended; the study's lock is held."""


SHORT = 80  # characters of a value that is shown whole
C = TypeVar("C", bound=Closing)
Held = tuple[C, FileLock]
"""A run that has been taken, and its lock."""


class Shared:
    """A study in a folder: its record, and its locks."""

    def __init__(self, folder: Path, kind: Kind, storage: str | None, wanted: Mapping[str, Any]) -> None:
        """Start a study, or go on with the one in the folder; `storage` is the URL of a database for its
        record, None for a journal in the folder; `wanted` is what it may not change.

        Raises RunError if the study in the folder has something else there or its record elsewhere, or if
        the folder's file system has no locks.
        """
        self.folder, self.kind, self.storage = folder, kind, storage
        folder.mkdir(parents=True, exist_ok=True)
        self.lock = FileLock(folder / "study.lock", fallback_to_soft=False)
        try:
            self.lock.acquire()
        except (OSError, NotImplementedError) as error:
            raise RunError(
                f"{folder}: expected a file system with locks ({error}): choose another --out"
            ) from None
        self.dropped = ""
        """What of a damaged record could not be kept, in words."""
        try:
            if storage is None:
                self.dropped = mend(folder / JOURNAL)
            with room(folder / JOURNAL, 0):
                self.study = open_study(folder, storage, kind)
                self.keep(wanted)
        finally:
            self.lock.release()

    def keep(self, wanted: Mapping[str, Any]) -> None:
        """Record what the study may not change, by name; raises RunError if it has something else there."""
        for name, value in wanted.items():
            held = self.study.user_attrs.get(name, value)
            if held != value:
                raise RunError(
                    f"{self.folder} is a {self.kind.word} with {difference(name, held, value)}: "
                    "give the same again, or choose another --out"
                )
            self.study.set_user_attr(name, value)

    @contextmanager
    def locked(self) -> Iterator[None]:
        """While entered, no other process reads or changes the record."""
        with self.lock, database(self.storage), room(self.folder / JOURNAL, 0):
            yield

    @contextmanager
    def hold(self, take: Callable[[], Held[C] | None]) -> Iterator[C | None]:
        """What `take` takes under the study's lock, held until the block ends, in whatever way."""
        with self.locked():
            held = take()
        if held is None:
            yield None
            return
        claim, lock = held
        try:
            yield claim
        finally:
            with self.locked():
                claim.close()
            lock.release()


def free_lock(path: Path) -> FileLock | None:
    """The lock of a run folder, held by this process from now on; None if another one holds it."""
    lock = FileLock(f"{path}.lock", fallback_to_soft=False)
    try:
        lock.acquire(blocking=False)
    except Timeout:
        return None
    return lock


def difference(name: str, held: Any, found: Any) -> str:
    """What is not the same, in a few words: of many settings, the first one that differs."""
    if isinstance(held, dict) and isinstance(found, dict) and len(str(held)) > SHORT:
        before, now = settings(held, name), settings(found, name)
        for key in sorted(before.keys() | now.keys()):
            if before.get(key) != now.get(key):
                return f"{key} = {brief(before.get(key))}, found {brief(now.get(key))}"
    return f"{name} = {held}, found {found}"


def begun(task: Task, path: Path) -> RunFolder:
    """The folder of a task's run: new, or with the task back at the newest checkpoint in it."""
    if not (path / "config.json").exists():
        return task.start(path)
    folder = RunFolder.open(path)
    task.resume(folder)
    return folder

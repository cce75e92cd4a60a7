"""One process at a time writes a run: a lock in its folder, which the system takes back from the dead."""

import errno
from pathlib import Path

from filelock import FileLock, Timeout

from ffrec.storage.files import RunError, room
from ffrec.storage.names import LOCK

NO_LOCKS = (errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP)  # what a file system without locks answers


def lock_run(folder: Path) -> FileLock | None:
    """The lock of a run folder, held by this process from now on; None where the file system has no locks.

    Raises RunError if another process holds it.
    """
    lock = FileLock(folder / LOCK, fallback_to_soft=False)
    try:
        with room(folder / LOCK, 0):
            lock.acquire(blocking=False)
    except Timeout:
        raise RunError(
            f"{folder} is being written by another process: expected nobody at work on it: wait for it, "
            "stop it, or choose another --out"
        ) from None
    except (NotImplementedError, OSError) as error:
        if isinstance(error, OSError) and error.errno not in NO_LOCKS:
            raise
        (folder / LOCK).unlink(missing_ok=True)
        return None
    return lock


def check_unlocked(folder: Path) -> None:
    """Raise RunError if another process is writing the run in a folder."""
    if (folder / LOCK).is_file() and (lock := lock_run(folder)):
        lock.release()


def unlock_run(folder: Path, lock: FileLock) -> None:
    """Give a lock back, and leave no file behind: who waits for it looks whether the file is still there."""
    (folder / LOCK).unlink(missing_ok=True)
    lock.release()

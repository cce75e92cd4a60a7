"""Faults as they happen: a process that dies at its k-th change to the disk, or that finds the disk full."""

import builtins
import errno
import hashlib
import json
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from unittest import mock


def budget(name: str, default: int) -> int:
    """How much of a long test is done: a number from the environment, such as FFREC_KILLS."""
    return int(os.environ.get(name, default))


CHANGES = ("mkdir", "replace", "rename", "fsync", "unlink", "rmdir", "symlink", "truncate")
"""What alters a folder; a file that is opened to be written counts twice: before, and while empty. A lock's
file does not count: whatever dies with one leaves it free."""
ROOM = ("open", "mkdir", "symlink", "fsync")
"""What needs room on a disk."""


def interposed(strike: Callable[[int, str], object]) -> mock._patch_dict | object:
    """Patches of the os layer that call `strike` before each change to the disk, with its number, from 1 on,
    and its name."""
    count = iter(range(1, 10**9))
    real_open = builtins.open

    def before(name, real):
        def call(*args, **kwargs):
            strike(next(count), name)
            return real(*args, **kwargs)

        return call

    def opened(file, mode="r", *args, **kwargs):
        if not set(mode) & set("wax+") or str(file) == os.devnull:
            return real_open(file, mode, *args, **kwargs)
        strike(next(count), "open")
        made = real_open(file, mode, *args, **kwargs)
        strike(next(count), "open")
        return made

    patches = [mock.patch.object(os, name, before(name, getattr(os, name))) for name in CHANGES]
    return [*patches, mock.patch.object(builtins, "open", opened)]


def forked(act: Callable[[], object], log: Path, dies_at: int = 0) -> int:
    """Act in a process of its own, whose output goes to a file; returns its exit code, negative for a signal.

    With `dies_at` it is killed, as by SIGKILL from outside, before that change to the disk.
    """
    return ended(begun(act, log, dies_at))


def ended(child: int) -> int:
    """The exit code of a process, once it has ended; negative for a signal."""
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def begun(act: Callable[[], object], log: Path, dies_at: int = 0) -> int:
    """Begin to act in a process of its own; returns its number."""
    if child := os.fork():
        return child
    code = 1
    try:
        with log.open("a") as out:
            for stream in (1, 2):
                os.dup2(out.fileno(), stream)
        sys.stdout, sys.stderr = os.fdopen(1, "w"), os.fdopen(2, "w")
        for patch in interposed(lambda now, _name: now == dies_at and os.kill(os.getpid(), signal.SIGKILL)):
            patch.start()
        code = act() or 0
        sys.stdout.flush()
        sys.stderr.flush()
    except BaseException as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr, flush=True)
    finally:
        os._exit(code)


def changes(act: Callable[[], object], log: Path) -> int:
    """How many changes to the disk an act makes, found by doing it in a process of its own."""
    read, write = os.pipe()
    if child := os.fork():
        os.close(write)
        with os.fdopen(read) as counted:
            found = counted.read()
        os.waitpid(child, 0)
        return found.count("1")
    with log.open("a") as out:
        for stream in (1, 2):
            os.dup2(out.fileno(), stream)
    for patch in interposed(lambda *_: os.write(write, b"1")):
        patch.start()
    try:
        act()
    finally:
        os._exit(0)


class Full:
    """While entered, the n-th change to the disk and all that need room after it fail: it is full."""

    def __init__(self, nth: int) -> None:
        self.nth, self.reached = nth, False

    def strike(self, now: int, name: str) -> None:
        if now >= self.nth and (name in ROOM or not self.reached):
            self.reached = True
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def __enter__(self) -> "Full":
        self.patches = interposed(self.strike)
        for patch in self.patches:
            patch.start()
        return self

    def __exit__(self, *_error: object) -> None:
        for patch in reversed(self.patches):
            patch.stop()


def tree(folder: Path) -> dict[str, str]:
    """Every file and empty folder in a folder, and the SHA-256 of what it holds."""
    return {
        entry.relative_to(folder).as_posix(): hashlib.sha256(entry.read_bytes()).hexdigest()
        if entry.is_file()
        else ""
        for entry in sorted(folder.rglob("*"))
        if entry.is_file() or not any(entry.iterdir())
    }


TIMED = ("seconds", "processor_seconds", "images_per_second", "candidates_per_second", "run")


def timeless(value: object) -> object:
    """A JSON value without what a clock decides."""
    if isinstance(value, dict):
        return {key: timeless(part) for key, part in value.items() if key not in TIMED}
    return [timeless(part) for part in value] if isinstance(value, list) else value


def outcome(run: Path) -> dict[str, object]:
    """All of a finished run that has to be the same, however often it was interrupted."""
    newest = max(run.glob("checkpoints/step-*"))
    lines = (run / "metrics.jsonl").read_text().splitlines()
    kept = ("weights.safetensors", "examples.safetensors", "config.json", "data.json", "calibration.json")
    files = [newest / kept[0], *(run / name for name in kept[1:] if (run / name).exists())]
    return {
        "step": newest.name,
        "metrics": [timeless(json.loads(line)) for line in lines],
        "result": timeless(json.loads((run / "result.json").read_text())),
        "files": {file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in files},
    }


def leftovers(folder: Path) -> list[str]:
    """What an interrupted process left that a finished run does not have."""
    names = ("run.lock", ".next", ".ready")
    return [
        entry.relative_to(folder).as_posix()
        for entry in folder.rglob("*")
        if entry.name in names or entry.name.startswith((".tmp-", ".old-"))
    ]

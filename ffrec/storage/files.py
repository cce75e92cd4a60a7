"""Files that are whole after a crash: every write is atomic, JSON has no NaN, and damage is named."""

import errno
import json
import math
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

UNFINISHED = ".tmp-"  # in front of what is being written
FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
FORMAT = 1  # of config.json, manifest.json and saved models; what has none is older
RESTORE = "restore it, or train again with --force"


class RunError(Exception):
    """A run folder that cannot be used: one line saying what was expected, what was found, what to do."""


class DiskFull(RunError):
    """There is no room for what has to be written; nothing that was there before is changed."""

    def __init__(self, path: Path, needed: int) -> None:
        self.needed, free = needed, shutil.disk_usage(path.parent).free
        super().__init__(
            f"{path}: the disk is full, or a quota or limit is reached: expected room for {needed} bytes, "
            f"found {free} bytes free: make room, then go on; nothing that was there before is lost"
        )


@contextmanager
def room(path: Path, needed: int) -> Iterator[None]:
    """Raise DiskFull, naming the path, for an error that says so; any other gets the path's name."""
    try:
        yield
    except OSError as error:
        if error.errno not in FULL:
            error.filename = error.filename or str(path)
            raise
        raise DiskFull(path, needed) from None


def sync_folder(folder: Path) -> None:
    """Make the names in a folder survive a power cut."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


@contextmanager
def streamed(path: Path, needed: int) -> Iterator[Callable[[bytes], None]]:
    """What writes a file of so many bytes piece by piece: a reader, now or after a crash, finds all of it or
    what was there before. It gets its name when the block ends without an error. Raises DiskFull."""
    if not path.name:  # such as "." and "/"
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    temporary = path.with_name(f"{UNFINISHED}{os.getpid()}-{path.name}")
    full = partial(room, path, needed)  # not around the block, whose errors may be of other files

    def write(data: bytes) -> None:
        rest = memoryview(data)
        with full():
            while rest:
                rest = rest[file.write(rest) :]

    try:
        with ExitStack() as held:
            with full():
                file = held.enter_context(open(temporary, "wb", buffering=0))  # closing must write nothing
            yield write
            with full():
                os.fsync(file.fileno())
        with full():
            os.replace(temporary, path)
    except OSError as error:
        if error.filename == str(temporary):  # a name that the user never gave
            error.filename = str(path)
        raise
    finally:
        with full():
            temporary.unlink(missing_ok=True)
    with full():
        sync_folder(path.parent)


def remove(entry: Path) -> None:
    """Remove a file, a link or a folder."""
    if entry.is_dir() and not entry.is_symlink():
        shutil.rmtree(entry)
    else:
        entry.unlink(missing_ok=True)


def write_atomic(path: Path, data: bytes) -> None:
    """Write a file whole, as `streamed` does."""
    with streamed(path, len(data)) as write:
        write(data)


def append(path: Path, data: bytes) -> None:
    """Add to the end of a file, all of it or, on a full disk, nothing; raises DiskFull."""
    with room(path, len(data)), open(path, "ab", buffering=0) as file:
        end = file.tell() if file.seekable() else None  # a pipe takes what it takes
        try:
            if file.write(data) < len(data):
                raise OSError(errno.ENOSPC, "only a part was written")
        except OSError:
            if end is not None:
                file.truncate(end)
            raise


def plain(value: Any) -> Any:
    """The same JSON value with every number that JSON has no word for (nan, infinity) as null."""
    if isinstance(value, dict):
        return {key: plain(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [plain(part) for part in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def to_json(value: Any, indent: int | None = 2) -> bytes:
    return (json.dumps(plain(value), indent=indent, allow_nan=False) + "\n").encode()


def read_json(path: Path, shape: type[BaseModel], cure: str = RESTORE) -> dict[str, Any]:
    """A JSON object of a shape from a file; raises RunError, naming it, its fault and the cure."""
    return parsed(path.read_bytes(), shape, str(path), cure)


def parsed(data: bytes, shape: type[BaseModel], source: str, cure: str = RESTORE) -> dict[str, Any]:
    """A JSON object of a shape, as it stands; raises RunError, naming its source, the first fault and the
    cure, or both formats if a newer ffrec wrote it: its shape may be another."""
    if (newer := format_of(data)) > FORMAT:
        raise RunError(
            f"{source} is of format {newer}, which a newer ffrec wrote: expected at most format {FORMAT}: "
            "update ffrec, or use the version that environment.json names"
        )
    try:
        shape.model_validate_json(data, strict=True)
        value: dict[str, Any] = json.loads(data)
    except ValidationError as error:
        fault = error.errors(include_url=False)[0]
        place = ".".join(str(part) for part in fault["loc"])
        says = f"{place}: {fault['msg']}" if place else fault["msg"]
    except ValueError as error:
        says = str(error)
    else:
        return value
    raise RunError(f"{source} is damaged: {brief(says)}: {cure}")


def format_of(data: bytes) -> int:
    """The format that a JSON object, or the configuration in it, says it is of; 0 if none does."""
    try:
        held = json.loads(data)
    except (ValueError, RecursionError):
        return 0
    parts = [held, held.get("config")] if isinstance(held, dict) else []
    found = [part.get("format") for part in parts if isinstance(part, dict)]
    return max((number for number in found if isinstance(number, int)), default=0)


def brief(value: Any, most: int = 120) -> str:
    """A value that fits into a message."""
    text = str(value)
    return text if len(text) <= most else f"{text[: most - 1]}…"

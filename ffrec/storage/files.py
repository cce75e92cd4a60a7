"""Files that are whole after a crash: every write is atomic, JSON has no NaN, and damage is named."""

import json
import math
import os
from pathlib import Path
from typing import Any

UNFINISHED = ".tmp-"  # in front of what is being written


class RunError(Exception):
    """A run folder that cannot be used: one line saying what was expected, what was found, what to do."""


def sync_folder(folder: Path) -> None:
    """Make the names in a folder survive a power cut."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def write_atomic(path: Path, data: bytes) -> None:
    """Write a file so that a reader, now or after a crash, finds all of it or what was there before."""
    temporary = path.with_name(f"{UNFINISHED}{os.getpid()}-{path.name}")
    try:
        with open(temporary, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
    sync_folder(path.parent)


def plain(value: Any) -> Any:
    """The same JSON value with every number that JSON has no word for (nan, infinity) as null."""
    if isinstance(value, dict):
        return {key: plain(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [plain(part) for part in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def to_json(value: Any, indent: int | None = 2) -> bytes:
    return (json.dumps(plain(value), indent=indent, allow_nan=False) + "\n").encode()


def read_json(path: Path, cure: str = "restore it, or train again with --force") -> dict[str, Any]:
    """A JSON object from a file; raises RunError, naming the file and its cure, if it is damaged."""
    try:
        value = json.loads(path.read_bytes())
    except ValueError:
        value = None
    if not isinstance(value, dict):
        raise RunError(f"{path} is damaged: expected a JSON object, found something else: {cure}")
    return value

"""Checksums of files, and a memory of which files had the right one, so that each is summed only once."""

import contextlib
import hashlib
import json
import os
from pathlib import Path

from corpora.archive import write_whole
from corpora.corpus import DataError

Fact = list[int | str]


def compare(content: bytes, expected: str, path: Path) -> None:
    """Raises DataError unless a file's content has the SHA-256 that is expected."""
    found = hashlib.sha256(content).hexdigest()
    if found != expected:
        raise DataError(
            f"{path}: expected SHA-256 {expected[:16]}… of the content, found {found[:16]}…: "
            "remove the file and fetch it again"
        )


def fact(state: os.stat_result, sha256: str) -> Fact:
    """What is remembered of a file: its size, when it was changed (ns), and the checksum it had."""
    return [state.st_size, state.st_mtime_ns, sha256]


def holds(memory: Path, path: Path, wanted: Fact) -> bool:
    """Whether exactly this is remembered of the file at `path`."""
    return remembered(memory).get(str(path.resolve())) == wanted


def remember(memory: Path, path: Path, known: Fact) -> None:
    """Note a fact, and forget files that are gone; where the memory cannot be written to, nothing happens."""
    facts = {file: old for file, old in remembered(memory).items() if os.path.exists(file)}
    facts[str(path.resolve())] = known
    with contextlib.suppress(OSError):
        memory.parent.mkdir(parents=True, exist_ok=True)
        write_whole(memory, json.dumps(facts, indent=1).encode())


def remembered(memory: Path) -> dict[str, Fact]:
    """All facts; none if the memory is not there, cannot be read, or is damaged."""
    try:
        facts = json.loads(memory.read_bytes())
    except (OSError, ValueError):
        return {}
    return facts if isinstance(facts, dict) else {}

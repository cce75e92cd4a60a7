"""The checksum of a file's content, compared each time that the file is read."""

import hashlib
from pathlib import Path

from corpora.corpus import DataError


def compare(content: bytes, expected: str, path: Path) -> None:
    """Raises DataError unless a file's content has the SHA-256 that is expected."""
    found = hashlib.sha256(content).hexdigest()
    if found != expected:
        raise DataError(
            f"{path}: expected SHA-256 {expected[:16]}… of the content, found {found[:16]}…: "
            "remove the file and fetch it again"
        )

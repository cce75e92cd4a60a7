"""Files out of a tar archive, and files that are written whole or not at all."""

import os
import tarfile
import zlib
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from corpora.corpus import DataError


def members(path: Path, files: list[str]) -> Iterator[tuple[str, bytes]]:
    """The named files of a tar archive, compressed or not, in whatever folder they lie in it.

    Raises DataError if the archive is damaged or lacks one of them.
    """
    missing = set(files)
    try:
        with tarfile.open(path) as tar:
            for member in tar:
                name = PurePosixPath(member.name).name
                stream = tar.extractfile(member) if name in missing and member.isfile() else None
                if stream is not None:
                    missing.remove(name)
                    yield name, stream.read()
                if not missing:
                    return
    except (tarfile.TarError, OSError, EOFError, zlib.error) as error:
        raise DataError(
            f"{path}: expected a whole tar archive, found a damaged or unreadable one "
            f"({type(error).__name__}): fetch it again"
        ) from None
    raise DataError(
        f"{path}: expected an archive with {', '.join(sorted(missing))}, found no such file: fetch it again"
    )


def write_whole(path: Path, content: bytes) -> None:
    """Write a file under another name and give it its own once it is whole; raises OSError."""
    waiting = path.with_name(f".{os.getpid()}-{path.name}")
    try:
        waiting.write_bytes(content)
        os.replace(waiting, path)
    finally:
        waiting.unlink(missing_ok=True)

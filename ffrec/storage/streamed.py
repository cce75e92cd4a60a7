"""Files that are written piece by piece and appear whole, or not at all."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from ffrec.storage.files import UNFINISHED, sync_folder


@contextmanager
def streamed(path: Path) -> Iterator[BinaryIO]:
    """A file to write to, which gets its name when the block ends; an error leaves what was there before."""
    waiting = path.with_name(f"{UNFINISHED}{os.getpid()}-{path.name}")
    try:
        with waiting.open("wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(waiting, path)
    finally:
        waiting.unlink(missing_ok=True)
    sync_folder(path.parent)

"""Text files: UTF-8, with or without a byte-order mark."""

from pathlib import Path

from corpora.corpus import DataError


def read_text(data: bytes, name: str) -> str:
    """UTF-8 text, with or without a byte-order mark; raises DataError."""
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise DataError(
            f"{name}: expected UTF-8 text, found byte {data[error.start]:#04x} at {error.start}: "
            "convert the file (iconv -t utf-8)"
        ) from None


def read_file(path: Path) -> str:
    """The text of a file; raises DataError."""
    try:
        return read_text(path.read_bytes(), str(path))
    except OSError as error:
        raise DataError(
            f"{path}: expected a readable file, found: {error.strerror}: check the path"
        ) from None

"""Where a data set's files are: the user's folder, the cache, or a download into the cache."""

import hashlib
import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from corpora.corpus import DataError
from corpora.idx import unpack

RETRIES = 2  # of each mirror


@dataclass(frozen=True)
class Source:
    """Files that can be downloaded: SHA-256 of each one's content, and mirrors in order.

    A mirror is the address of `{file}`; `suffix` is added to the name of what it sends; the checksum is of
    what `content` makes of it.
    """

    name: str
    sha256: dict[str, str]
    mirrors: tuple[str, ...]
    content: Callable[[bytes, str], bytes] = unpack
    suffix: str = ".gz"


def cache(source: Source) -> Path:
    """The user's cache folder for a data set."""
    import pooch

    return Path(pooch.os_cache("ffrec")) / source.name


def locate(source: Source, file: str, folder: Path | None) -> Path | None:
    """A file that is already there, gzipped or not: in `folder`/name, then in the cache."""
    if folder is not None and not folder.is_dir():
        raise DataError(f"--data: expected a folder, found nothing at {folder}: check --data or FFREC_DATA")
    places = [folder / source.name] if folder else []
    for place in [*places, cache(source)]:
        for name in (f"{file}.gz", file):
            if (place / name).is_file():
                return place / name
    return None


def find(source: Source, file: str, folder: Path | None) -> Path:
    """A file that is there or can be downloaded; raises DataError."""
    return locate(source, file, folder) or download(source, file)


def read(source: Source, file: str, folder: Path | None) -> tuple[bytes, str]:
    """A file's bytes and its name for messages; raises DataError if it cannot be had or read."""
    path = find(source, file, folder)
    try:
        return path.read_bytes(), str(path)
    except OSError as error:
        raise DataError(
            f"{path}: expected a readable file, found {error.strerror}: check its rights"
        ) from None


def check(source: Source, file: str, path: Path) -> None:
    """Compare a file's content with its SHA-256; raises DataError if it differs."""
    found = hashlib.sha256(source.content(path.read_bytes(), str(path))).hexdigest()
    expected = source.sha256[file]
    if found != expected:
        raise DataError(
            f"{path}: expected SHA-256 {expected[:16]}… of the content, found {found[:16]}…: "
            "remove the file and fetch it again"
        )


def download(source: Source, file: str) -> Path:
    """Fetch a file into the cache from the first mirror that has it right; raises DataError.

    It gets its final name only once its checksum is right, so an interrupted download leaves nothing behind.
    """
    import pooch
    import requests

    folder = cache(source)
    packed = file + source.suffix
    target, waiting = folder / packed, folder / f".{os.getpid()}-{packed}"
    fetch = pooch.HTTPDownloader(progressbar=sys.stderr.isatty(), timeout=30)
    reasons = []
    for address in (mirror.format(file=file) for mirror in source.mirrors):
        try:
            urls, unchecked = {waiting.name: address}, {waiting.name: None}
            store = pooch.create(folder, address, registry=unchecked, urls=urls, retry_if_failed=RETRIES)
            store.fetch(waiting.name, downloader=fetch)
            check(source, file, waiting)
            os.replace(waiting, target)
            return target
        except (requests.RequestException, OSError, ValueError) as error:
            reasons.append(f"{address} ({type(error).__name__})")
        except DataError:
            reasons.append(f"{address} (wrong content)")
        finally:
            waiting.unlink(missing_ok=True)
    raise DataError(
        f"{source.name}: expected {packed} in a data folder or from a mirror, found neither "
        f"({', '.join(reasons)}): put it into FOLDER/{source.name}/ and give --data FOLDER (or FFREC_DATA)"
    )

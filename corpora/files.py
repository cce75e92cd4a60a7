"""Where a data set's files are: the user's folder, the cache, or a download into the cache."""

import logging
import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from corpora import archive, checksums
from corpora.corpus import DataError
from corpora.idx import unpack

RETRIES = 2  # of each mirror


@dataclass(frozen=True)
class Source:
    """Files that can be downloaded: SHA-256 of each one's content, and mirrors in order.

    A mirror is the address of `{file}`; `suffix` is added to the name of what it sends; the checksum is of
    what `content` makes of it. Where the files come out of one `archive` (tar), a mirror is the address of
    that, and `inside` is the folder that unpacking it by hand leaves them in.
    """

    name: str
    sha256: dict[str, str]
    mirrors: tuple[str, ...]
    content: Callable[[bytes, str], bytes] = unpack
    suffix: str = ".gz"
    archive: str = ""
    inside: str = ""


def data_folder(folder: Path | None) -> Path | None:
    """The folder with data sets: the one given, or else the one that FFREC_DATA names."""
    named = os.environ.get("FFREC_DATA")
    return folder or (Path(named) if named else None)


def cache(source: Source) -> Path:
    """The user's cache folder for a data set."""
    import pooch

    return Path(pooch.os_cache("ffrec")) / source.name


def locate(source: Source, file: str, folder: Path | None) -> Path | None:
    """A file that is already there, gzipped or not: in `folder`/name, then in the cache; or its archive."""
    if folder is not None and not folder.is_dir():
        raise DataError(f"--data: expected a folder, found nothing at {folder}: check --data or FFREC_DATA")
    mine = [folder / source.name, folder / source.name / source.inside] if folder else []
    places = [*mine, cache(source)]
    paths = [place / name for place in places for name in (f"{file}.gz", file)]
    paths += [place / source.archive for place in places if source.archive]
    return next((path for path in paths if path.is_file()), None)


def find(source: Source, file: str, folder: Path | None) -> Path:
    """A file that is there, out of its archive, or can be downloaded; raises DataError."""
    path = locate(source, file, folder)
    if path is None:
        return download(source, file)
    return extract(source, path) / file if path.name == source.archive else path


def read(source: Source, file: str, folder: Path | None) -> tuple[bytes, str]:
    """A file's bytes, unpacked, and its name for messages; raises DataError if it cannot be had, read or
    trusted: the very bytes that are returned have been compared with their SHA-256."""
    path = find(source, file, folder)
    data = unpack(bytes_of(path), str(path))
    checksums.compare(source.content(data, str(path)), source.sha256[file], path)
    return data, str(path)


def check(source: Source, file: str, path: Path) -> None:
    """Compare a file's content with its SHA-256, also in the archive it lies in; raises DataError."""
    if path.name == source.archive:
        content = dict(archive.members(path, [file]))[file]
    else:
        content = source.content(bytes_of(path), str(path))
    checksums.compare(content, source.sha256[file], path)


def bytes_of(path: Path) -> bytes:
    """A file's bytes; raises DataError."""
    try:
        return path.read_bytes()
    except OSError as error:
        raise DataError(
            f"{path}: expected a readable file, found {error.strerror}: check its rights"
        ) from None


def extract(source: Source, path: Path) -> Path:
    """Put all files of an archive into the cache, each once its checksum is right; returns their folder.

    Raises DataError.
    """
    folder = cache(source)
    for file, content in archive.members(path, list(source.sha256)):
        checksums.compare(content, source.sha256[file], path)
        try:
            folder.mkdir(parents=True, exist_ok=True)
            archive.write_whole(folder / file, content)
        except OSError as error:
            raise DataError(
                f"{folder}: expected a folder to unpack {path} into, found {error.strerror}: "
                f"unpack it yourself (tar -xzf) into FOLDER/{source.name}/ and give --data FOLDER"
            ) from None
    return folder


def download(source: Source, file: str) -> Path:
    """Fetch a file into the cache from the first mirror that has it right; raises DataError.

    It gets its final name only once its checksum is right, so an interrupted download leaves nothing behind.
    An archive is unpacked and not kept.
    """
    import pooch
    import requests

    folder = cache(source)
    packed = source.archive or file + source.suffix
    target, waiting = folder / packed, folder / f".{os.getpid()}-{packed}"
    pooch.get_logger().setLevel(logging.CRITICAL)  # what went wrong is in our own error
    fetch = pooch.HTTPDownloader(progressbar=sys.stderr.isatty(), timeout=30)
    reasons = []
    for address in (mirror.format(file=file) for mirror in source.mirrors):
        try:
            urls, unchecked = {waiting.name: address}, {waiting.name: None}
            store = pooch.create(folder, address, registry=unchecked, urls=urls, retry_if_failed=RETRIES)
            store.fetch(waiting.name, downloader=fetch)
            if source.archive:
                return extract(source, waiting) / file
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

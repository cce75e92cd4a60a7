"""Whether runs were trained on the data that is there now: what `ffrec report` says beside its tables."""

from collections.abc import Iterable, Iterator

import corpora
from corpora import Alphabet, DataError
from ffrec.reports.summary import Summary
from ffrec.storage.files import RunError
from ffrec.storage.run_folder import RunFolder
from ffrec.tasks.images import ARRAYS
from ffrec.tasks.recorded import CHECKSUMS, check_data
from ffrec.tasks.stored_text import StoredText


def data_faults(runs: Iterable[Summary]) -> Iterator[str]:
    """One line for every run whose data is there, and is not what the run was trained on.

    Each data set is read once; nothing is downloaded. A run that recorded no checksum is passed over.
    """
    read: dict[tuple[str, ...], str | DataError] = {}
    for run in runs:
        if not any(run.config.get(key) for key in CHECKSUMS):
            continue
        try:
            folder = RunFolder(run.path)
            if not StoredText.read(folder):
                check_data(folder, checksum(run, read), run.recipe["data"])
        except (RunError, DataError) as error:
            yield f"warning: {run.path}: {error}"


def checksum(run: Summary, read: dict[tuple[str, ...], str | DataError]) -> dict[str, str]:
    """The checksum of a run's data as it is now, under the name that it is recorded by, and kept in `read`;
    empty if the data is not there. Raises DataError if it is damaged."""
    data, symbols = run.recipe["data"], tuple(run.config.get("symbols", ()))
    key = (run.kind, data, *symbols)
    if key not in read:
        try:
            read[key] = checksum_now(data, symbols, run.kind)
        except DataError as error:
            read[key] = error
    found = read[key]
    if isinstance(found, DataError):
        raise found
    return {"text" if run.kind == "text" else "data_sha256": found}


def checksum_now(data: str, symbols: tuple[str, ...], kind: str) -> str:
    """The checksum of a data set in these symbols, if it is a text; empty if it is not there. Raises
    DataError."""
    if data == ARRAYS or not corpora.at_hand(data):
        return ""
    if kind != "text":
        return corpora.load_images(data).sha256
    return corpora.load_text(data, None, Alphabet.of_symbols(symbols) if symbols else None).sha256

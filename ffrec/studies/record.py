"""Where the trials of a study are written down: a journal in its folder, or a database that Optuna knows."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal, NamedTuple
from uuid import uuid4

import optuna
from optuna.exceptions import OptunaError
from optuna.storages import BaseStorage, JournalStorage
from optuna.storages.journal import JournalFileBackend
from sqlalchemy.exc import ArgumentError, SQLAlchemyError

from ffrec.storage.environment import hide_password
from ffrec.storage.files import RunError, read_json, to_json, write_atomic
from ffrec.storage.schemas import Named
from ffrec.studies.journal import Unlocked

JOURNAL, NAME = "journal.log", "study.json"
WORKING = (SQLAlchemyError, OptunaError)  # what may be raised for a database that was there
OPENING = (*WORKING, ImportError, ValueError)  # and for one that may not exist


class Kind(NamedTuple):
    """What a study is to people and to Optuna."""

    word: str
    """What messages call it."""
    name: str
    """Of the study in a journal."""
    direction: Literal["maximize", "minimize"]


SWEEP = Kind("sweep", "sleep", "maximize")
SEARCH = Kind("search", "tune", "minimize")


def open_study(folder: Path, url: str | None, kind: Kind) -> optuna.Study:
    """The study in a folder, made if there is none; nobody else may be doing the same.

    The journal is a file of the folder. A database may hold many studies: this one has a name that no other
    has, which the folder keeps. Raises RunError if the study has its record elsewhere, or if Optuna cannot
    use the database.
    """
    journal, kept = folder / JOURNAL, folder / NAME
    if url is None:
        if kept.exists():
            raise RunError(f"{folder} is a {kind.word} with its record in a database: give its --storage")
        return make(kind.name, JournalStorage(JournalFileBackend(str(journal), Unlocked(str(journal)))), kind)
    if journal.exists():
        raise RunError(
            f"{folder} is a {kind.word} with its record in {JOURNAL}: leave out --storage, "
            "or choose another --out"
        )
    with database(url, OPENING):
        if kept.exists():
            return load(read_json(kept, Named)["name"], url, kind)
        study = make(f"{folder.resolve().name}-{uuid4().hex[:8]}", url, kind)
    write_atomic(kept, to_json({"name": study.study_name}))
    return study


def make(name: str, storage: str | BaseStorage, kind: Kind) -> optuna.Study:
    """A study of that name, new or as it is."""
    return optuna.create_study(
        storage=storage, study_name=name, direction=kind.direction, load_if_exists=True
    )


def load(name: str, url: str, kind: Kind) -> optuna.Study:
    """A study that a database holds; raises RunError if it does not."""
    try:
        return optuna.load_study(storage=url, study_name=name)
    except KeyError:
        raise RunError(
            f"--storage {hide_password(url)} has no study {name}: "
            f"give the database that the {kind.word} began with"
        ) from None


@contextmanager
def database(url: str | None, errors: tuple[type[Exception], ...] = WORKING) -> Iterator[None]:
    """Raise RunError, without the URL's password, for one of the errors that a database may cause."""
    try:
        yield
    except errors as error:
        if url is None:
            raise
        cause = error.__cause__ or error  # Optuna says less than what it was told
        expected, cure = advice(cause)
        found = str(cause).splitlines()[0]
        shown = hide_password(url)
        raise RunError(f"--storage {shown}: expected {expected}, found {found}: {cure}") from None


def advice(error: BaseException) -> tuple[str, str]:
    """What was expected of a database that cannot be used, and what to do."""
    if isinstance(error, ImportError):
        return "a driver for that database", "install one with pip"
    if isinstance(error, ArgumentError | ValueError):
        return "a URL that Optuna knows", "for example postgresql://user:password@host/name"
    return "a database that answers", "check the URL and the database"

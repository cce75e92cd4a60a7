"""Loading by name or path: the one way in for everybody who wants data."""

import os
from pathlib import Path

from corpora.alphabet import Alphabet
from corpora.corpus import Corpus, DataError, Description
from corpora.files import data_folder, locate
from corpora.menu import DATASETS, Choice, Dataset, named, text_dataset
from corpora.own_images import load_own
from corpora.text import LENGTH, TextCorpus
from corpora.utf8 import read_file


def load(name_or_path: str | Path, folder: Path | None = None) -> Corpus | TextCorpus:
    """A data set of the menu, or one's own: a folder or .npz file of images, or any other file as a text.

    A string that is on the menu means that; write ./mnist for a folder of that name. `folder` has one folder
    for each data set; without it, FFREC_DATA names it. What is not there is looked for in the user's cache
    and then downloaded. Raises DataError.
    """
    return look_up(name_or_path).load(data_folder(folder))


def load_images(name_or_path: str | Path, folder: Path | None = None, seed: int = 0) -> Corpus:
    """As `load`, images only. `seed` is of the parts that are held out of one's own. Raises DataError."""
    dataset = look_up(name_or_path, seed)
    corpus = None if dataset.is_text else dataset.load(data_folder(folder))
    if not isinstance(corpus, Corpus):
        raise DataError(
            f"{name_or_path}: expected images, found a text: choose {choices(is_text=False)}, a folder with "
            "one folder per class, or an .npz file"
        )
    return corpus


def load_text(
    name_or_path: str | Path, folder: Path | None = None, alphabet: Choice | None = None
) -> TextCorpus:
    """As `load`, texts only, in strings of 100 characters, or in long ones. Raises DataError.

    `alphabet` is "aesop" (30 symbols), "auto" (the text's own), a file with the symbols, or an Alphabet;
    without it, shakespeare is read in its own symbols and all other texts in Aesop's.
    """
    dataset = look_up(name_or_path)
    if dataset.text and alphabet is not None:
        text = dataset.text(data_folder(folder))
        return dataset.split(text, dataset.description, Alphabet.chosen(alphabet, text))
    corpus = dataset.load(data_folder(folder)) if dataset.is_text else None
    if not isinstance(corpus, TextCorpus):
        raise DataError(
            f"{name_or_path}: expected a text, found images: choose {choices(is_text=True)} or a text file"
        )
    if alphabet not in (None, corpus.alphabet):
        raise DataError(
            f"{name_or_path}: expected no choice of an alphabet, as this text comes in its own, found "
            f"{alphabet}: leave it out"
        )
    return corpus


def look_up(name_or_path: str | Path, seed: int = 0) -> Dataset:
    """The menu's entry, or one for what lies at a path; raises DataError, naming the nearest one, if none."""
    name = str(name_or_path)
    if "\0" in name:  # no system call takes it
        raise DataError(f"{name!r}: expected a data set or a path, found a zero byte in it: check the path")
    path = Path(os.path.expanduser(name_or_path))
    if isinstance(name_or_path, str) and name in DATASETS:
        return DATASETS[name]
    unknown = Description(name, name, name, "–", (), ())  # its shape is known once it is loaded
    if os.path.isdir(path) or (os.path.isfile(path) and path.suffix.lower() == ".npz"):
        return Dataset(unknown, lambda _folder: load_own(path, seed))
    if os.path.isfile(path):
        described = Description(name, name, name, "–", (LENGTH,), ())
        return text_dataset(described, lambda _folder: read_file(path))
    if path.name != name or isinstance(name_or_path, Path):
        raise DataError(
            f"{name}: expected a folder or .npz file of images, or a text file, found nothing: check the path"
        )
    return named(name)


def at_hand(name_or_path: str | Path, folder: Path | None = None) -> bool:
    """Whether `load` would find a data set without a download, and without unpacking an archive."""
    try:
        source, place = look_up(name_or_path).source, data_folder(folder)
        files = [locate(source, file, place) for file in source.sha256] if source else []
    except DataError:
        return False
    return all(file and source and file.name != source.archive for file in files)


def choices(is_text: bool) -> str:
    """The names of all texts, or of all sets of images, on the menu."""
    return ", ".join(name for name, dataset in DATASETS.items() if dataset.is_text == is_text)

"""The data sets by name. To add one here, name it at the foot; from outside, call `register`."""

import difflib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from corpora import texts
from corpora.alphabet import Alphabet
from corpora.cifar import CIFAR, CIFAR_FILES, load_cifar
from corpora.corpus import Corpus, DataError, Description
from corpora.digits import DIGITS, load_digits
from corpora.files import Source
from corpora.mnist import FASHION, FASHION_FILES, MNIST, MNIST_FILES, load_idx
from corpora.text import TextCorpus, split, split_in_order

Loader = Callable[[Path | None], Corpus | TextCorpus]
Splitter = Callable[[str, Description, Alphabet], TextCorpus]
Choice = str | Path | Alphabet
"""Of an alphabet: "aesop", "auto" (the text's own symbols), a file with the symbols, or the alphabet."""


@dataclass(frozen=True)
class Dataset:
    """A data set on the menu: its description, how to load it from a folder, and its files if it has any."""

    description: Description
    load: Loader
    source: Source | None = None
    text: Callable[[Path | None], str] | None = None
    """Of a text that can be read in any alphabet: how to get it as it is."""
    split: Splitter = split
    """Of such a text: how its parts come about."""

    @property
    def is_text(self) -> bool:
        """Whether it is a text; images have two axes or more."""
        return len(self.description.shape) == 1


def text_dataset(
    description: Description,
    text: Callable[[Path | None], str],
    source: Source | None = None,
    alphabet: Choice = "aesop",
    split: Splitter = split,
) -> Dataset:
    """A text on the menu, from a function that gives it as it is, the alphabet that it is read in, and how it
    is split."""

    def load(folder: Path | None) -> TextCorpus:
        raw = text(folder)
        return split(raw, description, Alphabet.chosen(alphabet, raw))

    return Dataset(description, load, source, text, split)


DATASETS = {
    "digits": Dataset(DIGITS, load_digits),
    "mnist": Dataset(MNIST, lambda folder: load_idx(MNIST, MNIST_FILES, folder), MNIST_FILES),
    "fashion-mnist": Dataset(FASHION, lambda folder: load_idx(FASHION, FASHION_FILES, folder), FASHION_FILES),
    "cifar-10": Dataset(CIFAR, load_cifar, CIFAR_FILES),
    "aesop": text_dataset(texts.AESOP, texts.aesop, texts.AESOP_FILES),
    "fables": text_dataset(texts.FABLES, texts.fables),
    "shakespeare": text_dataset(
        texts.SHAKESPEARE, texts.shakespeare, texts.SHAKESPEARE_FILES, texts.PLAYS, split_in_order
    ),
}


def named(name: str) -> Dataset:
    """The menu's entry; raises DataError, naming the nearest one, if there is none."""
    if name in DATASETS:
        return DATASETS[name]
    near = difflib.get_close_matches(name, DATASETS, n=1)
    hint = f"did you mean {near[0]}?" if near else f"choose from {', '.join(DATASETS)}, or give a path"
    raise DataError(f"unknown data set {name!r}: {hint}")


def register(name: str, dataset: Dataset | Loader, description: Description | None = None) -> None:
    """Add a data set of one's own: a Dataset, or a function from a folder to a corpus with its description.

    Raises DataError if the name is taken, or a function comes without a description.
    """
    if name in DATASETS or not name or Path(name).name != name:
        raise DataError(f"register: expected a new name without slashes, found {name!r}: choose another")
    if not isinstance(dataset, Dataset):
        if description is None:
            raise DataError(
                f"register {name}: expected a Description with the function, found none: give one"
            )
        dataset = Dataset(description, dataset)
    DATASETS[name] = dataset

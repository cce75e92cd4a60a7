"""The data sets by name. To add one, write a function from a folder to a Corpus and name it at the foot."""

import difflib
import re
from collections.abc import Callable
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

from corpora.alphabet import ALPHABET, normalise
from corpora.corpus import Corpus, DataError, Description, Split
from corpora.files import Source, check, find, read
from corpora.idx import parse_split, unpack
from corpora.text import LENGTH, TextCorpus, read_file, read_text, split

VALIDATION = 10_000  # the last training images
DIGITS = tuple("0123456789")


@dataclass(frozen=True)
class Dataset:
    """A data set on the menu: its description, how to load it, and its files if it has any."""

    description: Description
    load: Callable[[Path | None], Corpus | TextCorpus]
    source: Source | None = None


MNIST = Description(
    "mnist",
    "MNIST handwritten digits",
    "LeCun, Cortes and Burges, http://yann.lecun.com/exdb/mnist/",
    "CC BY-SA 3.0",
    (28, 28),
    DIGITS,
)
MNIST_FILES = Source(
    "mnist",
    {
        "train-images-idx3-ubyte": "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
        "train-labels-idx1-ubyte": "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
        "t10k-images-idx3-ubyte": "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
        "t10k-labels-idx1-ubyte": "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
    },
    (
        "https://ossci-datasets.s3.amazonaws.com/mnist/{file}.gz",
        "https://storage.googleapis.com/cvdf-datasets/mnist/{file}.gz",
    ),
)
FASHION = Description(
    "fashion-mnist",
    "Fashion-MNIST articles of clothing",
    "Xiao, Rasul and Vollgraf 2017, https://github.com/zalandoresearch/fashion-mnist",
    "MIT",
    (28, 28),
    (
        *("T-shirt/top", "trouser", "pullover", "dress", "coat"),
        *("sandal", "shirt", "sneaker", "bag", "ankle boot"),
    ),
)
FASHION_FILES = Source(
    "fashion-mnist",
    {
        "train-images-idx3-ubyte": "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888",
        "train-labels-idx1-ubyte": "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9",
        "t10k-images-idx3-ubyte": "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b",
        "t10k-labels-idx1-ubyte": "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34",
    },
    (
        "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/{file}.gz",
        "https://raw.githubusercontent.com/zalandoresearch/fashion-mnist/master/data/fashion/{file}.gz",
    ),
)
EMBEDDED = Description(
    "digits",
    "8×8 handwritten digits that come with scikit-learn",
    "Alpaydin and Kaynak 1998, UCI ML repository, https://doi.org/10.24432/C50P49",
    "CC BY 4.0",
    (8, 8),
    DIGITS,
)


def aesop_text(data: bytes, name: str) -> str:
    """The fables alone: no licence, foreword, contents or notes on pictures."""
    text = re.sub(r"\[Illustration[^\]]*\]", "", read_text(unpack(data, name), name))
    text = re.split(r"\*\*\* ?END OF", text)[0]
    return text[max(0, text.rfind("THE FOX AND THE GRAPES")) :].strip()


def aesop_body(data: bytes, name: str) -> bytes:
    """The fables in the alphabet: what the checksum is of, however the file was laid out."""
    return normalise(aesop_text(data, name))[0].encode()


SYMBOLS = tuple(ALPHABET)
AESOP = Description(
    "aesop",
    "Aesop’s fables translated by V. S. Vernon Jones, 1912",
    "Project Gutenberg eBook 11339, https://www.gutenberg.org/ebooks/11339",
    "public domain",
    (LENGTH,),
    SYMBOLS,
)
AESOP_FILES = Source(
    "aesop",
    {"vernon-jones.txt": "354174578f15c25b6fab12d21043959e2df2a207f5c29bbbdc887d247da300fc"},
    ("https://www.gutenberg.org/cache/epub/11339/pg11339.txt",),
    aesop_body,
    "",
)
FABLES = Description(
    "fables",
    "114 of Aesop’s fables, retold for this project",
    "corpora/fables.txt",
    "MIT",
    (LENGTH,),
    SYMBOLS,
)


def load_aesop(folder: Path | None) -> TextCorpus:
    """The strings of Vernon Jones's translation; raises DataError unless the text is exactly his."""
    path = find(AESOP_FILES, "vernon-jones.txt", folder)
    check(AESOP_FILES, "vernon-jones.txt", path)
    return split(aesop_text(path.read_bytes(), str(path)), AESOP)


def fables() -> str:
    """The embedded fables without their titles."""
    text = (files("corpora") / "fables.txt").read_text(encoding="utf-8")
    return re.sub(r"^# .*$", "", text, flags=re.MULTILINE)


def load_text(name: str, folder: Path | None = None) -> TextCorpus:
    """A text by name, or any text file by its path, in strings of 100 characters; raises DataError."""
    if name not in DATASETS and Path(name).is_file():
        return split(read_file(Path(name)), Description(name, name, name, "–", (LENGTH,), SYMBOLS))
    if name not in DATASETS and Path(name).name != name:
        raise DataError(f"{name}: expected a text file, found none: check the path")
    corpus = named(name).load(folder)
    if not isinstance(corpus, TextCorpus):
        raise DataError(f"{name}: expected a text, found images: choose aesop, fables or a text file")
    return corpus


def load_idx(description: Description, source: Source, folder: Path | None) -> Corpus:
    """Four IDX files; the validation set is the last 10,000 training images."""
    parts = []
    for prefix in ("train", "t10k"):
        images, images_name = read(source, f"{prefix}-images-idx3-ubyte", folder)
        labels, labels_name = read(source, f"{prefix}-labels-idx1-ubyte", folder)
        parts.append(parse_split(images, labels, (images_name, labels_name)))
    known, test = parts
    if len(known.labels) <= VALIDATION:
        raise DataError(
            f"{source.name}: expected more than {VALIDATION} training images, found {len(known.labels)}: "
            "use the official files"
        )
    train = Split(known.images[:-VALIDATION], known.labels[:-VALIDATION])
    validation = Split(known.images[-VALIDATION:], known.labels[-VALIDATION:])
    return Corpus(train, validation, test, description)


def load_digits(_folder: Path | None = None) -> Corpus:
    """1,797 embedded digits with pixels 0 to 16: 1,200 to train, 237 to validate, 360 to test.

    The split is stratified by class and always the same. No folder is read.
    """
    import torch
    from sklearn.datasets import load_digits as embedded
    from sklearn.model_selection import train_test_split

    bunch = embedded()
    images, labels = torch.from_numpy(bunch.images).to(torch.uint8), torch.from_numpy(bunch.target).long()

    def cut(index: list[int], size: int) -> list[list[int]]:
        parts: list[list[int]] = train_test_split(
            index, test_size=size, random_state=0, stratify=labels[index].numpy()
        )
        return parts

    known, test = cut(list(range(len(labels))), 360)
    train, validation = cut(known, 237)
    first, second, third = (Split(images[part], labels[part]) for part in (train, validation, test))
    return Corpus(first, second, third, EMBEDDED)


def load(name: str, folder: Path | None = None) -> Corpus:
    """Images by name, from `folder`, the user's cache, or the network; raises DataError."""
    corpus = named(name).load(folder)
    if isinstance(corpus, TextCorpus):
        raise DataError(f"{name}: expected images, found a text: choose digits, mnist or fashion-mnist")
    return corpus


def named(name: str) -> Dataset:
    """The menu's entry; raises DataError, naming the nearest one, if there is none."""
    if name in DATASETS:
        return DATASETS[name]
    near = difflib.get_close_matches(name, DATASETS, n=1)
    hint = f"did you mean {near[0]}?" if near else f"choose from {', '.join(DATASETS)}"
    raise DataError(f"unknown data set {name!r}: {hint}")


DATASETS = {
    "digits": Dataset(EMBEDDED, load_digits),
    "mnist": Dataset(MNIST, lambda folder: load_idx(MNIST, MNIST_FILES, folder), MNIST_FILES),
    "fashion-mnist": Dataset(FASHION, lambda folder: load_idx(FASHION, FASHION_FILES, folder), FASHION_FILES),
    "aesop": Dataset(AESOP, load_aesop, AESOP_FILES),
    "fables": Dataset(FABLES, lambda _folder: split(fables(), FABLES)),
}

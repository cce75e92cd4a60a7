"""The texts of the menu, each a function from a folder to the raw text."""

import re
from importlib.resources import files
from pathlib import Path

from corpora.alphabet import ALPHABET, Alphabet, normalise
from corpora.corpus import Description
from corpora.files import Source, read
from corpora.idx import unpack
from corpora.text import LENGTH
from corpora.utf8 import read_text

SYMBOLS = tuple(ALPHABET)
FABLES = Description(
    "fables",
    "114 of Aesop’s fables, retold for this project",
    "corpora/fables.txt",
    "MIT",
    (LENGTH,),
    SYMBOLS,
)


def fables(_folder: Path | None = None) -> str:
    """The embedded fables without their titles."""
    text = (files("corpora") / "fables.txt").read_text(encoding="utf-8")
    return re.sub(r"^# .*$", "", text, flags=re.MULTILINE)


def aesop_text(data: bytes, name: str) -> str:
    """The fables alone: no licence, foreword, contents or notes on pictures."""
    text = re.sub(r"\[Illustration[^\]]*\]", "", read_text(unpack(data, name), name))
    text = re.split(r"\*\*\* ?END OF", text)[0]
    return text[max(0, text.rfind("THE FOX AND THE GRAPES")) :].strip()


def aesop_body(data: bytes, name: str) -> bytes:
    """The fables in the alphabet: what the checksum is of, however the file was laid out."""
    return normalise(aesop_text(data, name))[0].encode()


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


def aesop(folder: Path | None) -> str:
    """Vernon Jones's translation; raises DataError unless the text is exactly his."""
    return aesop_text(*read(AESOP_FILES, "vernon-jones.txt", folder))


PLAYS = Alphabet(tuple("\n !$&',-.3:;?ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"))
SHAKESPEARE = Description(
    "shakespeare",
    "Tiny Shakespeare: 40,000 lines of his plays, in their own symbols",
    "Karpathy 2015, https://github.com/karpathy/char-rnn",
    "public domain",
    (1_115_394,),
    PLAYS.symbols,
)
SHAKESPEARE_FILES = Source(
    "shakespeare",
    {"input.txt": "86c4e6aa9db7c042ec79f339dcb96d42b0075e16b8fc2e86bf0ca57e2dc565ed"},
    ("https://raw.githubusercontent.com/karpathy/char-rnn/master/data/tinyshakespeare/input.txt",),
    suffix="",
)


def shakespeare(folder: Path | None) -> str:
    """The plays, as they are; raises DataError unless the file is exactly the known one."""
    data, name = read(SHAKESPEARE_FILES, "input.txt", folder)
    return read_text(unpack(data, name), name)

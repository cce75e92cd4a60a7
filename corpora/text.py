"""Texts cut into strings: read, normalised, and split so that no place in the text is in two parts."""

import hashlib
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from corpora.alphabet import encode, normalise
from corpora.corpus import DataError, Description

if TYPE_CHECKING:
    from torch import Tensor

LENGTH = 100  # characters a string (Hinton 2022 §4.1)
HELD_OUT = 248  # strings of validation, and of test, unless the text is short
SEED = 0  # of the split


@dataclass(frozen=True)
class TextCorpus:
    """Strings of codes `(strings, 100)`, int64, in the three parts that an honest experiment needs."""

    train: "Tensor"
    validation: "Tensor"
    test: "Tensor"
    description: Description
    deleted: Counter[str]
    """How often each character outside the alphabet was deleted."""

    @property
    def sha256(self) -> str:
        """Of the codes of all strings, in their order: tells a changed text or split."""
        import torch

        codes = torch.cat([self.train, self.validation, self.test]).to(torch.uint8)
        return hashlib.sha256(codes.numpy().tobytes()).hexdigest()


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


def cut(text: str, name: str, shortest: int) -> tuple["Tensor", Counter[str]]:
    """Text normalised and cut into strings of 100 codes `(strings, 100)`; a rest that is shorter is left out.

    A text of fewer characters is one string. Also returns what was deleted. Raises DataError below
    `shortest` characters.
    """
    body, deleted = normalise(text)
    if len(body.strip()) < shortest:
        lost = f" ({deleted.total()} others deleted)" if deleted else ""
        raise DataError(
            f"{name}: expected at least {shortest} letters of the alphabet, found {len(body.strip())}{lost}: "
            "choose a longer text in plain letters"
        )
    codes, length = encode(body), min(LENGTH, len(body))
    return codes[: len(codes) // length * length].view(-1, length), deleted


def split(text: str, description: Description) -> TextCorpus:
    """Strings in an order fixed by seed: first the test set, then the validation set, the rest to train.

    Both held-out sets have 248 strings, or a sixth of a short text's. Strings that repeat another one are
    left out, so no string is in two parts, and as every window lies in one string, no window of the text is.
    """
    import torch

    strings, deleted = cut(text, description.name, LENGTH)
    first = {string: i for i, string in reversed(list(enumerate(map(tuple, strings.tolist()))))}
    strings = strings[sorted(first.values())]
    held = min(HELD_OUT, len(strings) // 6)
    if not held:
        raise DataError(
            f"{description.name}: expected at least 6 different strings of {LENGTH} characters to split, "
            f"found {len(strings)}: choose a longer text"
        )
    strings = strings[torch.randperm(len(strings), generator=torch.Generator().manual_seed(SEED))]
    test, validation, train = strings.split([held, held, len(strings) - 2 * held])
    return TextCorpus(train, validation, test, description, deleted)

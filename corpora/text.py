"""Texts in codes: normalised, and split so that no place in the text is in two parts."""

import dataclasses
import hashlib
import json
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from corpora.alphabet import AESOP, Alphabet, visible
from corpora.corpus import DataError, Description

if TYPE_CHECKING:
    from torch import Tensor

LENGTH = 100  # characters a string (Hinton 2022 §4.1)
HELD_OUT = 248  # strings of validation, and of test, unless the text is short
SEED = 0  # of the split
TENTH, TWENTIETH = 10, 20  # of a long text that is split as it runs: the test part, and that of validation


@dataclass(frozen=True)
class TextCorpus:
    """Strings of codes `(strings, length)`, int64, in the three parts that an honest experiment needs: of 100
    characters, or one string each of a text that is split as it runs."""

    train: "Tensor"
    validation: "Tensor"
    test: "Tensor"
    description: Description
    deleted: Counter[str]
    """How often each character outside the alphabet was deleted, or replaced by its unknown symbol."""
    alphabet: Alphabet = AESOP

    @property
    def sha256(self) -> str:
        """Of the codes of all strings, in their order: tells a changed text, split or alphabet.

        Aesop's 30 symbols do not enter it, because runs from before there were others have recorded it.
        """
        import torch

        codes = torch.cat([part.flatten() for part in (self.train, self.validation, self.test)])
        if self.alphabet.symbols == AESOP.symbols:
            return hashlib.sha256(codes.to(torch.uint8).numpy().tobytes()).hexdigest()
        digest = hashlib.sha256(json.dumps(self.alphabet.symbols).encode())
        digest.update(codes.numpy().astype("<i4").tobytes())
        return digest.hexdigest()

    def about(self) -> str:
        """A few lines for people: the symbols, what is deleted or replaced, and the number of strings."""
        parts = (self.train, self.validation, self.test)
        whole = len(self.train) == 1
        sizes = [part.shape[whole] for part in parts]
        unit = "characters in a row" if whole else f"strings of {self.train.shape[1]}"
        return "\n".join(
            [
                f"{len(self.alphabet)} symbols: {self.alphabet.about()}",
                self.lost(),
                "{}: {} to train, {} to validate, {} to test".format(unit, *sizes),
            ]
        )

    def lost(self) -> str:
        """What of the text is outside the alphabet, the ten most frequent characters first."""
        if not self.deleted:
            return "every character of the text is kept"
        unknown = self.alphabet.unknown
        what = f"replaced by {unknown}" if unknown else "deleted"
        most = ", ".join(f"'{visible(c)}' × {count}" for c, count in self.deleted.most_common(10))
        more = f" and {len(self.deleted) - 10} others" if len(self.deleted) > 10 else ""
        return f"{what}: {self.deleted.total()} characters outside the alphabet: {most}{more}"


def coded(text: str, name: str, shortest: int, alphabet: Alphabet = AESOP) -> tuple["Tensor", Counter[str]]:
    """Codes `(characters,)` of a text, normalised, and what was deleted or replaced.

    Raises DataError below `shortest` characters.
    """
    body, deleted = alphabet.normalise(text)
    if len(body.strip()) < shortest:
        lost = f" ({deleted.total()} others deleted)" if deleted and not alphabet.unknown else ""
        plain = " in plain letters" if alphabet == AESOP else ""
        raise DataError(
            f"{name}: expected at least {shortest} letters of the alphabet, found {len(body.strip())}{lost}: "
            f"choose a longer text{plain}"
        )
    return alphabet.encode(body), deleted


def cut(text: str, name: str, shortest: int, alphabet: Alphabet = AESOP) -> tuple["Tensor", Counter[str]]:
    """As `coded`, in strings of 100 codes `(strings, 100)`; a rest that is shorter is left out.

    A text of fewer characters is one string.
    """
    codes, deleted = coded(text, name, shortest, alphabet)
    length = min(LENGTH, len(codes))
    return codes[: len(codes) // length * length].view(-1, length), deleted


def split(text: str, description: Description, alphabet: Alphabet = AESOP) -> TextCorpus:
    """Strings in an order fixed by seed: first the test set, then the validation set, the rest to train.

    Both held-out sets have 248 strings, or a sixth of a short text's. Strings that repeat another one are
    left out, so no string is in two parts, and as every window lies in one string, no window of the text is.
    """
    import torch

    strings, deleted = cut(text, description.name, LENGTH, alphabet)
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
    described = dataclasses.replace(description, classes=alphabet.symbols)
    return TextCorpus(train, validation, test, described, deleted, alphabet)


def split_in_order(text: str, description: Description, alphabet: Alphabet = AESOP) -> TextCorpus:
    """A long text as it runs, each part one string `(1, characters)`: the last 10 % are the test part; of the
    first 90 % the last twentieth validates, and the rest trains. Raises DataError for a short text."""
    codes, deleted = coded(text, description.name, LENGTH * TENTH * TWENTIETH, alphabet)
    seen = len(codes) * (TENTH - 1) // TENTH
    sizes = [seen - seen // TWENTIETH, seen // TWENTIETH, len(codes) - seen]
    train, validation, test = codes[None].split(sizes, dim=1)
    described = dataclasses.replace(description, classes=alphabet.symbols)
    return TextCorpus(train, validation, test, described, deleted, alphabet)

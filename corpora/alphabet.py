"""Alphabets: which symbols a text is written in, what becomes of all others, and the symbols' codes."""

import os
import re
import unicodedata
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from corpora.corpus import DataError
from corpora.utf8 import read_file

if TYPE_CHECKING:
    from torch import Tensor

ALPHABET = "abcdefghijklmnopqrstuvwxyz ,;."  # of Aesop's fables (Hinton 2022 §4.1)
UNKNOWN = "\ufffd"  # stands for every symbol that an alphabet lacks
RARE = 1e-4  # share of a text below which a symbol is not worth a code


@dataclass(frozen=True)
class Alphabet:
    """Symbols in the order of their codes; raises DataError unless they are different single characters.

    What is not among them becomes `unknown`, which is one of them, or is deleted where that is None. An
    alphabet is known by its symbols alone: `of_symbols` restores it from a list.
    """

    symbols: tuple[str, ...]
    unknown: str | None = None

    def __post_init__(self) -> None:
        wrong = [s for s, times in Counter(self.symbols).items() if len(s) != 1 or times > 1]
        if wrong or not self.symbols:
            found = ", ".join(map(repr, wrong[:5])) or "none"
            raise DataError(f"alphabet: expected different single characters, found {found}: correct it")
        if self.unknown is not None and self.unknown not in self.symbols:
            raise DataError(
                f"alphabet: expected the unknown symbol among the symbols, found {self.unknown!r}: add it"
            )

    @classmethod
    def of_symbols(cls, symbols: Iterable[str]) -> "Alphabet":
        """The alphabet of these symbols; � among them stands for all others."""
        symbols = tuple(symbols)
        return cls(symbols, UNKNOWN if UNKNOWN in symbols else None)

    @classmethod
    def of(cls, text: str, rare: float = RARE) -> "Alphabet":
        """The symbols of a text in the order of Unicode; those with a share below `rare` become �.

        Raises DataError for an empty text.
        """
        counts = Counter(canonical(text))
        if not counts:
            raise DataError(
                "text: expected characters to take the symbols from, found an empty text: give another"
            )
        kept = {symbol for symbol, count in counts.items() if count >= rare * counts.total()}
        others = {UNKNOWN} if len(kept) < len(counts) else set()
        return cls.of_symbols([*sorted(kept - others), *others])

    @classmethod
    def from_file(cls, path: str | Path) -> "Alphabet":
        """The symbols of a text file, in the order in which they first appear; raises DataError.

        The end of the last line is no symbol, unless there are other ends of lines.
        """
        found = dict.fromkeys(canonical(read_file(Path(path))).removesuffix("\n"))
        if not found:
            raise DataError(f"{path}: expected a text file with the symbols, found no symbol: write them")
        return cls.of_symbols(found)

    @classmethod
    def chosen(cls, choice: "str | Path | Alphabet", text: str) -> "Alphabet":
        """ "aesop", "auto" (the symbols of `text`), a file's, or the alphabet itself; raises DataError."""
        if isinstance(choice, Alphabet):
            return choice
        if choice == "aesop":
            return AESOP
        if choice == "auto":
            return cls.of(text)
        if not os.path.isfile(choice):
            raise DataError(
                f"alphabet: expected aesop, auto or a text file with the symbols, found {str(choice)!r}: "
                "check the path"
            )
        return cls.from_file(choice)

    def __len__(self) -> int:
        return len(self.symbols)

    def normalise(self, text: str) -> tuple[str, Counter[str]]:
        """Text in the alphabet, and how often each other character was deleted or replaced.

        Unicode is composed (NFC) and an end of line is one "\\n". Aesop's alphabet has its own rule: upper
        case is lowered, a run of white space (ends of lines too) becomes one space. Source: Hinton 2022 §4.1.
        """
        is_aesop = self.symbols == AESOP.symbols
        text = re.sub(r"\s+", " ", text.lower()) if is_aesop else canonical(text)
        foreign = Counter(text)
        for symbol in self.symbols:
            foreign.pop(symbol, None)
        return text.translate({ord(character): self.unknown for character in foreign}), foreign

    def encode(self, text: str) -> "Tensor":
        """Codes `(characters,)`, int64, of text in it; raises DataError, naming what else is in it."""
        import torch

        foreign = sorted(set(text) - set(self.symbols))
        if foreign:
            raise DataError(
                f"expected only the {len(self)} symbols of the alphabet, found "
                f"{', '.join(map(repr, foreign[:10]))}: normalise the text, which deletes or replaces them"
            )
        if not text:
            return torch.empty(0, dtype=torch.int64)
        codes: Tensor = field(self).numericalize([list(text)])[0]
        return codes

    def decode(self, codes: "Tensor") -> str:
        """The text of codes `(characters,)`."""
        symbols = field(self).vocab.itos
        return "".join(symbols[code] for code in codes.tolist())

    def about(self) -> str:
        """The symbols, apart, the invisible ones escaped."""
        if self.symbols == AESOP.symbols:
            return "a-z, space, comma, semicolon and full stop"
        return " ".join(map(visible, self.symbols))


@cache
def field(alphabet: Alphabet) -> Any:
    """A torchtext Field that knows exactly the symbols, in their order: no special ones beside them.

    Vocab sorts by frequency, so the order is forced with made-up frequencies; its table is then replaced by a
    plain dict, because a defaultdict would answer a miss with a new entry.
    """
    from torchtext.data import Field
    from torchtext.vocab import Vocab

    made = Field(tokenize=list, batch_first=True, unk_token=None, pad_token=None)
    frequencies = Counter({symbol: len(alphabet) - i for i, symbol in enumerate(alphabet.symbols)})
    made.vocab = Vocab(frequencies, specials=[])
    made.vocab.stoi = dict(made.vocab.stoi)
    return made


def canonical(text: str) -> str:
    """Unicode composed (NFC), and "\\n" at the end of every line."""
    return unicodedata.normalize("NFC", text.replace("\r\n", "\n").replace("\r", "\n"))


def visible(symbol: str) -> str:
    """A symbol as it can be seen: white space, control and combining characters are escaped."""
    if symbol == " ":
        return "space"
    return symbol.encode("unicode_escape").decode() if unicodedata.category(symbol)[0] in "CMZ" else symbol


AESOP = Alphabet(tuple(ALPHABET))
encode, decode, normalise = AESOP.encode, AESOP.decode, AESOP.normalise

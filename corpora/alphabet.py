"""The 30 symbols of the character task, what becomes of all others, and their codes."""

import re
from collections import Counter
from functools import cache
from typing import TYPE_CHECKING, Any

from corpora.corpus import DataError

if TYPE_CHECKING:
    from torch import Tensor

ALPHABET = "abcdefghijklmnopqrstuvwxyz ,;."


def normalise(text: str) -> tuple[str, Counter[str]]:
    """Text in the alphabet, and how often each other character was deleted.

    Upper case is lowered, a run of white space (ends of lines too) becomes one space, all else that is not in
    the alphabet is deleted. Source: Hinton 2022 §4.1.
    """
    lowered = re.sub(r"\s+", " ", text.lower())
    deleted = Counter(character for character in lowered if character not in ALPHABET)
    return lowered.translate({ord(character): None for character in deleted}), deleted


@cache
def field() -> Any:
    """A torchtext Field that knows exactly the alphabet, in its order: no unknown and no padding symbol.

    Vocab sorts by frequency, so the order is forced with made-up frequencies; its table is then replaced by a
    plain dict, because a defaultdict would answer a miss with a new entry.
    """
    from torchtext.data import Field
    from torchtext.vocab import Vocab

    made = Field(tokenize=list, batch_first=True, unk_token=None, pad_token=None)
    made.vocab = Vocab(Counter({s: len(ALPHABET) - i for i, s in enumerate(ALPHABET)}), specials=[])
    made.vocab.stoi = dict(made.vocab.stoi)
    return made


def encode(text: str) -> "Tensor":
    """Codes `(characters,)`, int64, of text in the alphabet; raises DataError, naming what is not in it."""
    foreign = sorted(set(text) - set(ALPHABET))
    if foreign:
        raise DataError(
            f"expected only the {len(ALPHABET)} symbols a-z, space, comma, semicolon and full stop, "
            f"found {', '.join(map(repr, foreign))}: remove them or let them be dropped"
        )
    if not text:
        import torch

        return torch.empty(0, dtype=torch.int64)
    codes: Tensor = field().numericalize([field().preprocess(text)])[0]
    return codes


def decode(codes: "Tensor") -> str:
    """The text of codes `(characters,)`."""
    symbols = field().vocab.itos
    return "".join(symbols[code] for code in codes.tolist())

"""The strings that a run on a text keeps in its folder, so that it does without the text from then on."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import safetensors.torch
import torch
from torch import Tensor

from ffrec.data.strings import pieces
from ffrec.storage.checkpoint import read_tensors
from ffrec.storage.files import RunError
from ffrec.storage.run_folder import RunFolder
from ffrec.tasks.images import Described

PARTS = ("train", "validation", "test")
CURE = "remove it to read the text instead"


class Text(Protocol):
    """Strings of codes `(n, length)` in three parts, and a checksum of them all."""

    @property
    def train(self) -> Tensor: ...
    @property
    def validation(self) -> Tensor: ...
    @property
    def test(self) -> Tensor: ...
    @property
    def sha256(self) -> str: ...


class DescribedText(Text, Protocol):
    """A text that names its symbols, in the order of their codes."""

    @property
    def description(self) -> Described: ...


@dataclass(frozen=True)
class StoredText:
    """Strings that a run keeps in its folder, or what a run makes of them."""

    train: Tensor
    validation: Tensor
    test: Tensor
    sha256: str

    FILE = "text.safetensors"

    @classmethod
    def read(cls, folder: RunFolder) -> "StoredText | None":
        """The strings of a run, None if it keeps none; raises RunError if they are damaged."""
        file, config = folder.path / cls.FILE, folder.config
        if not file.is_file():
            return None
        data = file.read_bytes()
        if hashlib.sha256(data).hexdigest() != config.get("text_file"):
            raise RunError(f"{file} is damaged: expected another SHA-256: {CURE}")
        parts = {name: codes.long() for name, codes in read_tensors(data, file, CURE).items()}
        codes, symbols = [part for part in parts.values() if part.numel()], len(config.get("symbols", ()))
        if parts.keys() != set(PARTS) or not all(0 <= part.min() <= part.max() < symbols for part in codes):
            raise RunError(f"{file} is damaged: expected codes of {symbols} symbols in {PARTS}: {CURE}")
        return cls(**parts, sha256=config.get("text", ""))


def symbols_of(config: Mapping[str, Any], source: Path) -> tuple[str, ...]:
    """The symbols of a run on a text, in the order of their codes; raises RunError if it says none."""
    if not (symbols := config.get("symbols")):
        raise RunError(
            f"{source}: expected the symbols of a run on a text in config.json, found none: restore it"
        )
    return tuple(symbols)


def packed(text: Text, symbols: int) -> bytes:
    """The codes of a text as a safetensors file, one byte a character where that is enough."""
    small = torch.uint8 if symbols <= 256 else torch.int32
    return safetensors.torch.save({name: getattr(text, name).to(small).contiguous() for name in PARTS})


def in_pieces(text: Text, window: int) -> StoredText:
    """A text whose long strings, if it has any, are cut into `pieces`."""
    parts = {name: pieces(getattr(text, name), window) for name in PARTS}
    return StoredText(**parts, sha256=text.sha256)

"""How a result is printed: one JSON object, or lines for people."""

import sys
from collections.abc import Sequence
from typing import Any

from ffrec.storage.files import to_json


def print_result(result: dict[str, Any], lines: Sequence[str], as_json: bool) -> None:
    """A result as one JSON object on stdout, or as its lines."""
    if as_json:
        print(to_json(result, None).decode(), end="")
        return
    for line in lines:
        print(line)


def note(text: str) -> None:
    """Say what is being waited for, to somebody at a terminal."""
    if sys.stderr.isatty():
        print(text, file=sys.stderr)

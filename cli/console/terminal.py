"""What a terminal cannot take: characters that its encoding lacks, and text when nobody reads any more."""

import codecs
import os
import sys
from io import TextIOWrapper

from cli import errors

TWINS = dict(zip("×–—−…±‘’“”·", "x---~~''\"\".", strict=True))
"""What stands for a character: as wide, so that tables stay aligned."""


def plainly(error: UnicodeError) -> tuple[str, int]:
    """The twins of characters that cannot be encoded, and ? for what has none."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    lost = error.object[error.start : error.end]
    return "".join(TWINS.get(character, "?") for character in lost), error.end


def fit_encoding() -> None:
    """Have stdout and stderr replace what their encoding lacks, rather than raise."""
    codecs.register_error("plainly", plainly)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):  # not where a test, or nothing, takes its place
            stream.reconfigure(errors="plainly")


def last_words(code: int) -> int:
    """Write what is left for stdout and stderr, and return the exit code; where nobody reads any more, drop
    it without a word, and where it cannot be written, say so."""
    for stream in (sys.stdout, sys.stderr):
        try:
            if stream:
                stream.flush()
        except OSError as error:
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())  # Python flushes once more, at its end
            if not isinstance(error, BrokenPipeError):
                code = errors.report(error)
    return code

"""Exit codes, and the rule that every mistake of the user is one line on stderr.

0: done. 1: training failed, for example because it diverged. 2: a mistake in what was asked for.
130: interrupted. 141: nobody reads what is written any more, as in `ffrec ls | head -1`.
"""

import os
import re
import sys
import time

PAUSE = 2.0  # seconds that a silent process lives on: torchrun ends all others with the first that ends
DONE, FAILED, BAD_INPUT, INTERRUPTED, UNREAD = 0, 1, 2, 130, 141


def exit_code(error: BaseException) -> int | None:
    """The exit code of an error that a user can mend; None for a defect of ours."""
    if isinstance(error, KeyboardInterrupt) or type(error).__name__ == "Abort":
        return INTERRUPTED
    if isinstance(error, BrokenPipeError):
        return UNREAD
    if hasattr(error, "format_message"):  # of a wrong command line
        return BAD_INPUT
    from corpora import DataError
    from ffrec.config import ConfigError
    from ffrec.parallel.agreement import Disagreement
    from ffrec.parallel.team import Elsewhere, Lost
    from ffrec.registry import PluginError, UnknownName
    from ffrec.storage.files import RunError
    from ffrec.training.events import Diverged

    if isinstance(error, Diverged | Disagreement | Lost):
        return FAILED
    if out_of_memory(error):
        return BAD_INPUT
    mended = Elsewhere | DataError | RunError | ConfigError | UnknownName | PluginError | OSError
    return BAD_INPUT if isinstance(error, mended) else None


def out_of_memory(error: BaseException) -> bool:
    """Whether an error says that memory is used up: torch has a class of its own only for GPUs."""
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError":
        return True
    return isinstance(error, RuntimeError) and "DefaultCPUAllocator" in str(error)


def one_line(error: BaseException) -> str:
    """What an error says, in one line."""
    message = error.format_message() if hasattr(error, "format_message") else str(error)
    if isinstance(error, OSError) and error.strerror:
        place = error.filename or "standard output"  # a file of ours has its name
        message = f"{place}: expected a place to read or write, found: {error.strerror}: check it"
    if out_of_memory(error):
        tried = re.search(r"[Tt]ried to allocate ([\d.]+ \w+)", message)
        more = f", tried to have {tried[1]} more" if tried else ""
        message = f"memory: expected enough{more}, found too little: give a smaller batch or network"
    where = [f"{note}:" for note in getattr(error, "__notes__", [])]
    return " ".join(["ffrec:", *where, *message.split()])


def asks_for_help(error: BaseException) -> bool:
    """Whether a command was called without anything to do: its help is the answer."""
    return type(error).__name__ == "NoArgsIsHelpError"


def speaks(error: BaseException, code: int) -> bool:
    """Whether this process says what happened: of a team the first one does, and any other that cannot use
    what it was given, such as data that only it has."""
    first = os.environ.get("RANK", "0") == "0" or "WORLD_SIZE" not in os.environ
    return first or (code == BAD_INPUT and hasattr(error, "__notes__"))


def report(error: BaseException) -> int:
    """Print an error that a user can mend and return its exit code; raises a defect of ours again."""
    code = exit_code(error)
    if code is None:
        raise error
    if asks_for_help(error):
        print(getattr(error, "message", ""), file=sys.stderr)
    elif code not in (INTERRUPTED, UNREAD) and speaks(error, code):
        print(one_line(error), file=sys.stderr)
    elif code == BAD_INPUT:
        time.sleep(PAUSE)
    return code

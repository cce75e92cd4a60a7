"""Command lines as tests run them: in this process, or, where that matters, in one of their own."""

import contextlib
import io
import os
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple
from unittest import mock

from cli.__main__ import run

ROOT = Path(__file__).parent.parent


class Done(NamedTuple):
    """What a command line came to."""

    returncode: int
    stdout: str
    stderr: str


def environment(**more: str) -> dict[str, str]:
    """What the program sees of the system."""
    return {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", "COLUMNS": "200", **more}


def ffrec(*arguments: str, cwd: Path, **more: str) -> Done:
    """Run a command line in this process, in the folder `cwd`; `more` are environment variables."""
    out, err = io.StringIO(), io.StringIO()
    with (
        contextlib.chdir(cwd),
        mock.patch.dict(os.environ, environment(**more)),
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(err),
    ):
        code = run([str(argument) for argument in arguments])
    return Done(code, out.getvalue(), err.getvalue())


def command(*arguments: str) -> list[str]:
    """The same command line for a process of its own."""
    return [sys.executable, "-m", "cli", *arguments]


def process(*arguments: str, cwd: Path, **more: str) -> subprocess.CompletedProcess[str]:
    """Run a command line in a process of its own."""
    environ = environment(**more)
    return subprocess.run(command(*arguments), cwd=cwd, env=environ, capture_output=True, text=True)


def assert_refused(done: Done, *words: str) -> None:
    """Exit code 2, nothing on stdout, and one line on stderr that has the words."""
    assert done.returncode == 2
    assert done.stdout == ""
    assert len(done.stderr.splitlines()) == 1, done.stderr
    for word in words:
        assert word in done.stderr

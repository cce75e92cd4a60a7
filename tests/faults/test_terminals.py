"""Terminals that lack characters, readers that leave, Ctrl-C while the program starts."""

import io
import os
import signal
import subprocess
import sys

import pytest
from commands import ROOT, command, environment, process

from cli import __main__ as program
from cli.console import terminal
from cli.console.signals import at_once, once


@pytest.mark.parametrize("encoding", ["ascii", "latin-1"])
def test_what_an_encoding_lacks_has_a_twin(encoding, monkeypatch):
    written = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(written, encoding))
    terminal.fit_encoding()
    print("3 × 500 – 1.4 ± 0.1 … 🦊")
    sys.stdout.flush()
    assert (
        written.getvalue().decode(encoding).translate(str.maketrans("×±", "x~"))
        == "3 x 500 - 1.4 ~ 0.1 ~ ?\n"
    )


@pytest.mark.slow
@pytest.mark.parametrize(("encoding", "arguments"), [("ascii", ["ls"]), ("latin-1", ["data", "ls"])])
def test_commands_work_in_any_encoding(encoding, arguments, tmp_path):
    environ = environment(PYTHONIOENCODING=encoding)
    done = subprocess.run(command(*arguments), cwd=tmp_path, env=environ, capture_output=True)
    assert (done.returncode, done.stderr) == (0, b"")
    done.stdout.decode(encoding)


@pytest.mark.slow
def test_a_reader_that_leaves_is_no_error(tmp_path):
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run(command("data", "ls"), cwd=tmp_path, env=environment(), stdout=writer, stderr=-1)
    os.close(writer)
    assert done.stderr == b""


@pytest.mark.slow
@pytest.mark.skipif("not os.path.exists('/dev/full')", reason="needs /dev/full")
def test_an_output_that_is_full_is_one_line(tmp_path):
    with open("/dev/full", "w") as full:
        done = subprocess.run(command("data", "ls"), cwd=tmp_path, env=environment(), stdout=full, stderr=-1)
    assert done.returncode == 2
    (line,) = done.stderr.decode().splitlines()
    assert line.startswith("ffrec: standard output: ")
    assert line.endswith("No space left on device: check it")


@pytest.mark.slow
@pytest.mark.parametrize("module", ["typer", "torch"])
def test_interrupts_while_it_imports_print_nothing(module, tmp_path):
    twice = "for _ in range(2):\n    os.kill(os.getpid(), signal.SIGINT)\n"
    (tmp_path / f"{module}.py").write_text(f"import os, signal\n{twice}")
    environ = environment(PYTHONPATH=f"{tmp_path}:{ROOT}")
    done = subprocess.run(command("ls"), cwd=tmp_path, env=environ, capture_output=True)
    assert (done.returncode, done.stdout, done.stderr) == (130, b"", b"")


def test_the_second_interrupt_is_ignored_while_the_first_is_answered():
    before = signal.getsignal(signal.SIGINT)
    try:
        with pytest.raises(KeyboardInterrupt), once():
            try:
                signal.raise_signal(signal.SIGINT)
            finally:
                signal.raise_signal(signal.SIGINT)  # would cut short what tidies up
        signal.raise_signal(signal.SIGINT)
    finally:
        signal.signal(signal.SIGINT, before)


def test_an_interrupt_within_imports_ends_at_once(monkeypatch):
    ended = []
    monkeypatch.setattr(os, "_exit", ended.append)
    before = signal.getsignal(signal.SIGINT)
    with at_once():
        signal.raise_signal(signal.SIGINT)
    assert ended == [130]
    assert signal.getsignal(signal.SIGINT) is before


@pytest.mark.faults
def test_a_download_that_fails_says_one_line(tmp_path):
    gone = {"HTTPS_PROXY": "http://127.0.0.1:9", "HTTP_PROXY": "http://127.0.0.1:9"}
    lower = {name.lower(): value for name, value in gone.items()}
    done = process(
        "data", "fetch", "shakespeare", cwd=tmp_path, XDG_CACHE_HOME=str(tmp_path), **gone, **lower
    )
    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 1, done.stderr


def test_every_command_has_its_entry():
    assert set(program.FOLDERS) <= set(program.COMMANDS)

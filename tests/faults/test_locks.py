"""Two processes and one run: the second is told so in one line, and the dead hold nothing."""

import errno
import os
import signal
from pathlib import Path

import pytest
import torch
from commands import assert_refused, ffrec
from injected import tree
from small_runs import CONFIG, OTHER, TRAIN, fill

from ffrec.storage.files import RunError
from ffrec.storage.lock import check_unlocked
from ffrec.storage.run_folder import RunFolder


class Living:
    """A process that writes a run, until it is killed."""

    def __init__(self, run: Path) -> None:
        ready, go = os.pipe()
        self.process = os.fork()
        if not self.process:
            try:
                folder = RunFolder.open(run).hold() if run.exists() else RunFolder.create(run, CONFIG)
                os.write(go, b"1")
                signal.pause()
            finally:
                os._exit(int(folder is None))
        os.close(go)
        assert os.read(ready, 1) == b"1"
        os.close(ready)

    def kill(self) -> None:
        os.kill(self.process, signal.SIGKILL)
        os.waitpid(self.process, 0)


@pytest.fixture
def living(tmp_path):
    fill(tmp_path / "run")
    found = Living(tmp_path / "run")
    yield found
    found.kill()


@pytest.mark.parametrize("how", ["--resume", "--force", None])
def test_a_second_process_is_one_line_and_changes_nothing(living, tmp_path, how):
    before = tree(tmp_path / "run")
    done = ffrec(*TRAIN, "--out", "run", *([how] if how else []), cwd=tmp_path)
    assert_refused(done, "run is being written by another process", "choose another --out")
    assert tree(tmp_path / "run") == before


def test_readers_need_no_lock(living, tmp_path):
    assert RunFolder.open(tmp_path / "run").load()[0] == 3
    assert ffrec("ls", "--runs", ".", cwd=tmp_path).returncode == 0


def test_the_lock_of_a_process_that_was_killed_is_free(tmp_path):
    living = Living(tmp_path / "run")
    with pytest.raises(RunError, match="another process"):
        check_unlocked(tmp_path / "run")
    living.kill()
    check_unlocked(tmp_path / "run")
    fill(tmp_path / "run")
    assert not (tmp_path / "run/run.lock").exists()


@pytest.mark.parametrize("answer", [errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP, NotImplementedError])
def test_a_file_system_without_locks_does_without(tmp_path, monkeypatch, answer):
    error = OSError(answer, "no locks") if isinstance(answer, int) else answer

    def refuse(*_arguments, **_options):
        raise error

    monkeypatch.setattr("ffrec.storage.lock.FileLock.acquire", refuse)
    fill(tmp_path / "run")
    assert RunFolder.open(tmp_path / "run").load()[0] == 3


def test_without_locks_a_reader_leaves_a_run_alone_that_replaces_another(tmp_path, monkeypatch):
    def refuse(*_arguments):
        raise OSError(errno.ENOLCK, "no locks")

    monkeypatch.setattr("fcntl.flock", refuse)  # so that the lock's file is made
    fill(tmp_path / "run")
    old = tree(tmp_path / "run")
    with RunFolder.create(tmp_path / "run", OTHER, force=True) as folder:
        folder.append_metrics({"epoch": 1, "loss": [1.0]})
        assert RunFolder.open(tmp_path / "run").config == CONFIG
        assert {name: held for name, held in tree(tmp_path / "run").items() if ".next" not in name} == old
        folder.save(1, {"w": torch.zeros(2)}, {})
    replaced = RunFolder.open(tmp_path / "run")
    assert (replaced.config, replaced.load()[0], len(replaced.metrics())) == (OTHER, 1, 1)
    assert not (tmp_path / "run/run.lock").exists()


def test_a_part_of_a_run_replaces_none(tmp_path):
    fill(tmp_path / "run")
    with RunFolder.create(tmp_path / "run", OTHER, force=True) as folder:
        (folder.path / "config.json").unlink()
        with pytest.raises(RunError, match="expected the run that is to replace this one, found a part"):
            folder.save(1, {"w": torch.zeros(2)}, {})
    assert RunFolder.open(tmp_path / "run").load()[0] == 3


def test_another_fault_of_the_lock_is_not_taken_for_none(tmp_path, monkeypatch):
    def refuse(*_arguments, **_options):
        raise OSError(errno.EIO, "broken")

    monkeypatch.setattr("ffrec.storage.lock.FileLock.acquire", refuse)
    with pytest.raises(OSError, match="broken"):
        fill(tmp_path / "run")


def test_a_run_is_held_until_it_is_released(tmp_path):
    with RunFolder.create(tmp_path / "run", CONFIG) as folder:
        with pytest.raises(RunError, match="another process"):
            RunFolder.open(tmp_path / "run").hold()
        folder.hold()  # its own
    RunFolder.open(tmp_path / "run").hold().release()


def test_what_a_living_process_is_writing_is_spared(tmp_path):
    fill(tmp_path / "run")
    living = Living(tmp_path / "other")
    theirs, dead = (tmp_path / f"run/.tmp-{n}-report.html" for n in (living.process, 2**22 + 1))
    for file in (theirs, dead):
        file.touch()
    RunFolder.open(tmp_path / "run").hold().release()
    assert theirs.exists()
    assert not dead.exists()
    living.kill()
    RunFolder.open(tmp_path / "run").hold().release()
    assert not theirs.exists()

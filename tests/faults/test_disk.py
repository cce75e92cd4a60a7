"""The disk is full: one line names the file, what it needs and what is free; what was there is untouched."""

import contextlib
import os
import re
import resource
import shutil
import subprocess
from pathlib import Path

import matplotlib.figure
import pytest
import torch
from commands import ffrec
from injected import Full, forked, leftovers, outcome, tree
from small_runs import CONFIG, TRAIN, fill, train

from ffrec.reports.figures.canvas import save
from ffrec.storage.files import DiskFull, append, write_atomic
from ffrec.storage.run_folder import RunFolder

SAYS = re.compile(
    r"(\S+): the disk is full.* expected room for (\d+) bytes, found (\d+) bytes free: make room"
)
BIG = {"w": torch.zeros(100, 100)}


@pytest.fixture
def run(tmp_path):
    fill(tmp_path / "run", epochs=2)
    return tmp_path / "run"


def test_a_full_disk_at_any_place_of_a_save_is_said_and_leaves_nothing(run):
    before, nth, said = tree(run), 1, set()
    while True:
        full = False
        with RunFolder.open(run).hold() as folder:
            try:
                with Full(nth) as disk:
                    folder.save(3, BIG, {"value": 3})
            except DiskFull as error:
                path, needed, _ = SAYS.match(str(error)).groups()
                said.add(Path(path).name)
                assert "step-00000003" in path
                assert int(needed) > 0
                full = True
            except OSError:
                assert disk.reached  # of a folder or a name, which the system names itself
        if not disk.reached:
            break
        after = tree(run)
        held = RunFolder.open(run).load()
        assert held[0] in (2, 3)
        if held[0] == 2:  # what is half-written is removed; if that cannot be renamed, at the next opening
            assert {k: v for k, v in after.items() if full or ".tmp-" not in k} == before
        fresh = run.with_name(f"run-{nth}")
        fill(fresh, epochs=2)
        shutil.rmtree(run)
        fresh.rename(run)
        nth += 1
    assert nth > 10
    assert said


@pytest.mark.parametrize("name", ["metrics.jsonl", "result.json", "pictures/loss_curves.png", "dreams.txt"])
def test_every_kind_of_file_says_what_it_needs_and_what_is_free(tmp_path, name):
    file, before = tmp_path / name, b"before\n"
    file.parent.mkdir(exist_ok=True)
    file.write_bytes(before)
    writers = {
        "metrics.jsonl": lambda: RunFolder(tmp_path).append_metrics({"epoch": 1}),
        "result.json": lambda: RunFolder(tmp_path).write_json("result.json", {"epochs": 1}),
        "pictures/loss_curves.png": lambda: save(matplotlib.figure.Figure(), file),
        "dreams.txt": lambda: append(file, b"a string\n"),
    }
    writers[name]()
    whole, said = file.read_bytes(), 0
    file.write_bytes(before)
    for nth in range(1, 8):
        try:
            with Full(nth) as disk:
                writers[name]()
        except DiskFull as error:
            path, needed, free = SAYS.match(str(error)).groups()
            said += 1
        else:
            assert not disk.reached or name.startswith("pictures")  # whose folder is there already
            file.write_bytes(before)
            continue
        assert path == str(file)
        assert int(needed) > 0
        assert int(free) > 0
        assert file.read_bytes() in (before, whole)  # the new one, where its folder could not be synced
        file.write_bytes(before)
        assert [entry.name for entry in file.parent.iterdir() if ".tmp-" in entry.name] == []
    assert said > 1


def test_a_limit_of_file_sizes_is_a_full_disk(tmp_path):
    def too_much():
        resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
        for write in (write_atomic, append):
            with contextlib.suppress(DiskFull):
                write(tmp_path / write.__name__, b"x" * 5000)
                return 1
        return 0

    (tmp_path / "append").write_bytes(b"before")
    assert forked(too_much, tmp_path / "log") == 0, (tmp_path / "log").read_text()
    assert (tmp_path / "append").read_bytes() == b"before"
    assert not (tmp_path / "write_atomic").exists()


@pytest.fixture
def small_disk(tmp_path):
    """A disk of 300 kB."""
    place = tmp_path / "disk"
    place.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=300k", "tmpfs", str(place)]
    if not shutil.which("mount") or subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("this system lets nobody mount a file system in memory")
    yield place
    subprocess.run(["umount", "-l", str(place)], check=True)


def test_a_training_that_fills_its_disk_goes_on_once_there_is_room(small_disk, tmp_path):
    assert train(tmp_path / "whole") == 0
    filler = small_disk / "filler"
    refusals = 0
    for left in (8_000, 40_000, 70_000, 90_000, 120_000, 150_000):
        free = shutil.disk_usage(small_disk).free
        filler.write_bytes(b"x" * max(0, free - left))
        done = ffrec(*TRAIN, "--out", "run", "--resume", cwd=small_disk)
        if done.returncode:
            assert done.returncode == 2
            assert len([line for line in done.stderr.splitlines() if line.startswith("ffrec:")]) == 1
            assert SAYS.search(done.stderr), done.stderr
            refusals += 1
        filler.unlink()
    assert refusals
    assert ffrec(*TRAIN, "--out", "run", "--resume", cwd=small_disk).returncode == 0
    assert outcome(small_disk / "run") == outcome(tmp_path / "whole")
    assert leftovers(small_disk) == []


def test_a_run_that_cannot_begin_leaves_no_folder(tmp_path):
    with pytest.raises(DiskFull), Full(4):
        RunFolder.create(tmp_path / "run", CONFIG)
    assert os.listdir(tmp_path) == []


def test_what_a_file_is_written_by_is_never_named(tmp_path):
    with pytest.raises(FileNotFoundError) as error:
        write_atomic(tmp_path / "nowhere/x", b"data")
    assert error.value.filename == str(tmp_path / "nowhere/x")


def test_a_pipe_is_added_to(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    reader = os.open(tmp_path / "pipe", os.O_RDONLY | os.O_NONBLOCK)
    append(tmp_path / "pipe", b"dreams")
    assert os.read(reader, 10) == b"dreams"
    os.close(reader)

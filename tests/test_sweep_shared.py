"""Sweeps that several machines work on: one folder under two paths, and a record in a database."""

import json
import os
import shutil
import signal
import subprocess
import time

import pytest
from commands import assert_refused, command, environment, ffrec

from ffrec.storage.environment import hide_password
from ffrec.storage.files import RunError

pytest.importorskip("optuna", reason="the extra 'sweep' is not installed")
from ffrec.studies.sweep import Sweep

FEW = [f"digits-uniform-{n}-{n}" for n in (1, 2, 4, 8)]
SMALL = ("sweep", "sleep", "--set", "hidden=[12,12,12]")
UNSHARE = ("unshare", "--user", "--map-root-user", "--mount")
BIND = 'mount --bind "$1" "$2" && shift 2 && exec "$@"'


def elsewhere(way, folder, mount):
    """What to put before a command so that it finds `folder` at `mount`, where nobody else finds it."""
    if way == "symbolic link":
        mount.symlink_to(folder, target_is_directory=True)
        return []
    mount.mkdir()
    before = [*UNSHARE, "sh", "-c", BIND, "sh", str(folder), str(mount)]
    if not shutil.which("unshare") or subprocess.run([*before, "true"], capture_output=True).returncode:
        pytest.skip("this system lets nobody mount a folder twice")
    return before


def begin(before, arguments, cwd):
    """A command in a process of its own, that is not waited for."""
    return subprocess.Popen(
        [*before, *command(*arguments)],
        cwd=cwd,
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


@pytest.fixture(params=["bind mount", "symbolic link"])
def two_paths(request, tmp_path):
    """One folder, the path of another machine to it, and how to be on that machine."""
    here, there = tmp_path / "here", tmp_path / "there"
    here.mkdir()
    return here, there, elsewhere(request.param, here, there)


@pytest.mark.slow
@pytest.mark.parametrize("two_paths", ["bind mount"], indirect=True)
def test_two_machines_do_every_cell_once(two_paths):
    here, there, before = two_paths
    asked = (*SMALL, "--set", "epochs=2", *(part for cell in FEW for part in ("--only", cell)))
    with (
        begin(before, (*asked, "--out", there / "s"), here) as far,
        begin([], (*asked, "--out", here / "s"), here) as near,
    ):
        said = [near.communicate(timeout=60), far.communicate(timeout=60)]
    assert (near.returncode, far.returncode) == (0, 0), said
    began = [line.split(":")[0] for out, _ in said for line in out.splitlines() if "from update 0 on" in line]
    assert sorted(began) == sorted(FEW)
    sweep = Sweep(here / "s", "paper", settings={"hidden": [12, 12, 12], "epochs": 2})
    assert sweep.done().keys() == set(FEW)


@pytest.mark.slow
def test_a_cell_of_a_machine_that_died_goes_on_elsewhere(two_paths):
    here, there, before = two_paths
    asked = (*SMALL, "--set", "epochs=12", "--only", FEW[1])
    metrics = here / f"s/{FEW[1]}-0/metrics.jsonl"
    with begin(before, (*asked, "--out", there / "s"), here) as far:
        while not metrics.exists() or metrics.read_text().count("\n") < 2:  # so the first has its checkpoint
            assert far.poll() is None
            time.sleep(0.005)
        os.killpg(far.pid, signal.SIGSTOP)  # it lives, and holds what it holds
        sweep = Sweep(here / "s", "paper", settings={"hidden": [12, 12, 12], "epochs": 12})
        with sweep.claim([FEW[1]]) as claim:
            assert claim is None
        os.killpg(far.pid, signal.SIGKILL)
    first, *more = metrics.read_text().splitlines()
    assert len(more) < 11, "the run was too short for this test"
    rest = ffrec(*asked, "--out", here / "s", cwd=here)
    assert "1 of 1 cells done, 1 now" in rest.stdout
    lines = metrics.read_text().splitlines()
    assert lines[0] == first
    assert [json.loads(line)["epoch"] for line in lines] == list(range(1, 13))
    record = (here / "s/journal.log").read_text()
    assert str(here) not in record
    assert str(there) not in record


@pytest.fixture
def url(tmp_path):
    return f"sqlite:///{tmp_path / 'record.db'}"


def finish(sweep, value):
    with sweep.claim(FEW) as claim:
        claim.path.mkdir()
        claim.value = value
        return claim.cell


def test_a_record_in_a_database_is_gone_on_with(tmp_path, url):
    assert finish(Sweep(tmp_path / "s", "paper", storage=url), 50.0) == FEW[0]
    again = Sweep(tmp_path / "s", "paper", storage=url)
    with pytest.raises(ZeroDivisionError), again.claim(FEW) as claim:
        assert claim.cell == FEW[1]
        claim.value = 1 / 0
    assert finish(again, 60.0) == FEW[1]
    assert Sweep(tmp_path / "s", "paper", storage=url).done() == {FEW[0]: 50.0, FEW[1]: 60.0}
    assert not (tmp_path / "s/journal.log").exists()
    with pytest.raises(RunError, match="is a sweep with seed = 0, found 1"):
        Sweep(tmp_path / "s", "paper", seed=1, storage=url)


def test_two_folders_in_one_database_know_nothing_of_each_other(tmp_path, url):
    for parent in ("one", "two"):
        assert finish(Sweep(tmp_path / parent / "s", "paper", storage=url), 50.0) == FEW[0]


def test_a_sweep_keeps_its_record_where_it_is(tmp_path, url):
    Sweep(tmp_path / "journal", "paper")
    with pytest.raises(RunError, match=r"its record in journal\.log: leave out --storage"):
        Sweep(tmp_path / "journal", "paper", storage=url)
    Sweep(tmp_path / "database", "paper", storage=url)
    with pytest.raises(RunError, match="its record in a database: give its --storage"):
        Sweep(tmp_path / "database", "paper")
    with pytest.raises(RunError, match=r"has no study database-.{8}: give the database that the sweep began"):
        Sweep(tmp_path / "database", "paper", storage=f"sqlite:///{tmp_path / 'other.db'}")


def test_storage_on_the_command_line(tmp_path, url):
    asked = (*SMALL, "--set", "epochs=1", "--only", "digits-uniform-1-1", "--storage", url)
    assert "1 of 1 cells done, 1 now" in ffrec(*asked, cwd=tmp_path).stdout
    assert "1 of 1 cells done, 0 now" in ffrec(*asked, cwd=tmp_path).stdout


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("nonsense://host/name", ("expected a URL that Optuna knows", "nonsense")),
        ("hello", ("expected a URL that Optuna knows",)),
        ("mysql://me:secret@host:port/db", ("expected a URL that Optuna knows", "mysql://me:***@host:port")),
        ("oracle://me:secret@host/db", ("expected a driver", "No module named", "oracle://me:***@host/db")),
        ("sqlite:////no/such/folder/record.db", ("expected a database that answers", "unable to open")),
    ],
)
def test_a_database_that_cannot_be_used_is_one_line(tmp_path, url, words):
    asked = (*SMALL, "--only", "digits-uniform-1-1", "--storage", url)
    done = ffrec(*asked, cwd=tmp_path)
    assert_refused(done, *words)
    assert "secret" not in done.stderr


def test_passwords_of_urls_are_hidden():
    assert hide_password("postgresql://me:a:b@c@host:1/name") == "postgresql://me:***@host:1/name"
    assert hide_password("--storage=mysql+x://:secret@host/name") == "--storage=mysql+x://:***@host/name"
    for plain in ("sqlite:///a/b.db", "https://host:80/a", "me@host", "epochs=4"):
        assert hide_password(plain) == plain

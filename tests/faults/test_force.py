"""`--force` removes what ffrec wrote and nothing else, and not before the new run has a checkpoint."""

import pytest
from commands import assert_refused, ffrec
from injected import leftovers, tree
from small_runs import CONFIG, OTHER, TRAIN, fill

from ffrec.reports.figures import FIGURES
from ffrec.storage.files import RunError
from ffrec.storage.names import PICTURES
from ffrec.storage.run_folder import RunFolder

MINE = [
    "mine.json",
    "notes.txt",
    "pictures/holiday.jpg",
    "pictures/mine/heat_map.png",
    "checkpoints/mine.txt",
    "checkpoints/step-00000001/mine.txt",
    "checkpoints/step-mine/state.pt",
    "tensorboard/mine",
]


@pytest.fixture
def run(tmp_path):
    fill(tmp_path / "run")
    return tmp_path / "run"


@pytest.mark.parametrize("name", MINE)
def test_a_file_of_the_users_stops_force_before_anything_is_removed(run, name):
    (run / name).parent.mkdir(parents=True, exist_ok=True)
    (run / name).write_text("mine")
    before = tree(run)
    with pytest.raises(RunError, match="is not part of a run, so --force leaves it alone"):
        RunFolder.create(run, OTHER, force=True)
    assert tree(run) == before


@pytest.mark.parametrize("name", MINE)
def test_a_file_that_comes_while_the_new_run_begins_stays(run, name):
    with RunFolder.create(run, OTHER, force=True) as folder:
        (run / name).parent.mkdir(parents=True, exist_ok=True)
        (run / name).write_text("mine")
        folder.save(7, {}, {})
    assert (run / name).read_text() == "mine"
    assert RunFolder.open(run).config["seed"] == 1
    assert RunFolder.open(run).load()[0] == 7


def test_every_picture_that_is_drawn_is_ours():
    assert set(FIGURES) | {"dreams_scored"} == set(PICTURES)


def test_a_late_error_leaves_the_old_run_as_it_was(tmp_path):
    small = [*TRAIN, "--out", "run"]
    assert ffrec(*small, cwd=tmp_path).returncode == 0
    before = tree(tmp_path / "run")
    for bad in ("rate=1e30", "schedule=nonsense", "optimiser=LBFGS", "optimiser_options={nonsense=1}"):
        done = ffrec(*small, "--force", "--set", bad, cwd=tmp_path)
        assert done.returncode in (1, 2), bad
        assert tree(tmp_path / "run") == before, bad
    assert ffrec(*small, "--force", "--seed", "1", cwd=tmp_path).returncode == 0
    assert RunFolder.open(tmp_path / "run").config["seed"] == 1
    assert leftovers(tmp_path / "run") == []


def test_readers_find_the_old_run_until_the_new_one_has_a_checkpoint(run):
    with RunFolder.create(run, OTHER, force=True) as folder:
        folder.append_metrics({"epoch": 1})
        assert RunFolder.open(run).config["seed"] == CONFIG["seed"]
        assert len(RunFolder.open(run).metrics()) == 3
        folder.save(1, {}, {})
        assert RunFolder.open(run).config["seed"] == OTHER["seed"]
        assert len(RunFolder.open(run).metrics()) == 1


def test_resume_and_force_are_refused_together(run):
    done = ffrec(*TRAIN, "--out", str(run), "--resume", "--force", cwd=run)
    assert_refused(done, "--resume goes on with a run, --force replaces it")


def test_a_run_that_had_replaced_another_moves_up(tmp_path):
    """The process died once the old run was gone, before the new one's files were in its place."""
    fill(tmp_path / "new", OTHER)
    (tmp_path / "run").mkdir()
    (tmp_path / "new").rename(tmp_path / "run/.ready")
    assert RunFolder.open(tmp_path / "run").config == OTHER
    assert RunFolder.open(tmp_path / "run").load()[0] == 3
    assert not (tmp_path / "run/.ready").exists()

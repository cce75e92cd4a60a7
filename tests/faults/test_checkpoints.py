"""A checkpoint that is not whole, or not ours, is said, never passed over."""

import hashlib
import json
import pickle
import shutil
from pathlib import Path

import pytest
import safetensors.torch
import torch
from commands import assert_refused, ffrec
from injected import outcome, tree
from small_runs import TRAIN, train

RESUME = (*TRAIN, "--out", "run", "--resume")
READERS = (("evaluate", "run"), RESUME)


@pytest.fixture(scope="module")
def whole(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("whole")
    assert train(folder / "run") == 0
    assert len(steps(folder)) == 2
    return folder


@pytest.fixture
def folder(whole, tmp_path) -> Path:
    shutil.copytree(whole / "run", tmp_path / "run")
    return tmp_path


def steps(folder: Path) -> list[Path]:
    return sorted((folder / "run/checkpoints").glob("step-*"))


@pytest.mark.parametrize("part", ["manifest.json", "weights.safetensors", "state.pt"])
def test_a_newest_checkpoint_without_a_part_is_refused_and_its_cure_works(folder, whole, part):
    newest = steps(folder)[-1]
    (newest / part).unlink()
    before = tree(folder)
    for command in READERS:
        assert_refused(ffrec(*command, cwd=folder), part, f"delete {newest.relative_to(folder)} to go back")
    assert tree(folder) == before
    shutil.rmtree(newest)
    assert ffrec(*RESUME, cwd=folder).returncode == 0
    assert outcome(folder / "run") == outcome(whole / "run")


def test_a_run_whose_manifests_are_all_gone_does_not_start_from_nothing(folder):
    for step in steps(folder):
        (step / "manifest.json").unlink()
    for command in READERS:
        assert_refused(ffrec(*command, cwd=folder), "manifest.json is missing")


def test_a_run_whose_checkpoints_are_all_gone_does_not_start_from_nothing(folder):
    shutil.rmtree(folder / "run/checkpoints")
    metrics = (folder / "run/metrics.jsonl").read_bytes()
    assert_refused(ffrec(*RESUME, cwd=folder), "checkpoints of a run that has trained 3 epochs, found none")
    assert (folder / "run/metrics.jsonl").read_bytes() == metrics


def test_a_run_that_has_no_checkpoint_yet_says_so(folder, whole):
    shutil.rmtree(folder / "run/checkpoints")
    (folder / "run/metrics.jsonl").unlink()
    done = ffrec(*RESUME, cwd=folder)
    assert done.returncode == 0
    assert "no checkpoint in run yet: starting at the first update" in done.stderr
    assert outcome(folder / "run") == outcome(whole / "run")


def test_the_only_checkpoint_is_not_to_be_deleted(folder):
    shutil.rmtree(steps(folder)[0])
    (steps(folder)[0] / "manifest.json").unlink()
    assert_refused(ffrec(*RESUME, cwd=folder), "train again with --force", "there is no other")


def forge(folder: Path, name: str, data: bytes) -> None:
    """Replace a part of the newest checkpoint, with a checksum that is right."""
    newest = steps(folder)[-1]
    (newest / name).write_bytes(data)
    manifest = json.loads((newest / "manifest.json").read_text())
    manifest["sha256"][name] = hashlib.sha256(data).hexdigest()
    (newest / "manifest.json").write_text(json.dumps(manifest))


KEYS = ("epoch", "step", "seconds", "history", "traced", "optimiser", "sleep_optimiser", "gradient_baseline")


@pytest.mark.parametrize("key", KEYS)
@pytest.mark.parametrize("value", [None, "a", -1, [], {}, torch.zeros(1)], ids=str)
def test_a_state_that_lacks_a_key_or_has_another_value_is_one_line(folder, key, value, tmp_path):
    file = steps(folder)[-1] / "state.pt"
    state = torch.load(file, weights_only=True)
    if value is None:
        del state[key]
    else:
        state[key] = value
    torch.save(state, tmp_path / "state")
    forge(folder, "state.pt", (tmp_path / "state").read_bytes())
    done = ffrec(*RESUME, cwd=folder)
    assert done.returncode in (0, 2)  # what nothing reads, such as seconds, may be anything
    if done.returncode:
        assert_refused(done, "state.pt is damaged, or of another version")
    if value is None and key not in ("sleep_optimiser", "gradient_baseline"):
        assert done.returncode == 2


FORGED = {
    "no tensors": safetensors.torch.save({}),
    "no safetensors": b"damaged",
    "a long head": (2**62).to_bytes(8, "little") + b"{}",
    "a pickle": pickle.dumps({"a": 1}),
}


@pytest.mark.parametrize("data", FORGED.values(), ids=FORGED)
def test_forged_weights_are_one_line(folder, data):
    forge(folder, "weights.safetensors", data)
    for command in READERS:
        assert_refused(ffrec(*command, cwd=folder))

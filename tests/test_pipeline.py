"""The layer pipeline: bit for bit what one process learns, and clear words where it cannot be."""

import contextlib
import json
import subprocess
import sys
from itertools import combinations, pairwise
from pathlib import Path

import pytest
import safetensors.torch
import stages
import torch
from commands import ROOT, assert_refused, environment, ffrec

from ffrec.config import ConfigError
from ffrec.learning.update import Step
from ffrec.pipeline.plan import partition
from ffrec.pipeline.stage import joined
from ffrec.pipeline.task import check
from ffrec.recipes import recipe
from ffrec.storage.checkpoints import complete
from ffrec.storage.run_folder import RunFolder


def torchrun(processes: int, *arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    """Run a script or a module in several processes."""
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node"]
    command += [str(processes), *arguments]
    return subprocess.run(command, cwd=cwd, env=environment(), capture_output=True, text=True)


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    """What three processes found: tests/stages.py."""
    done = torchrun(3, str(ROOT / "tests/stages.py"), str(tmp_path_factory.mktemp("runs")), cwd=ROOT)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.slow
@pytest.mark.parametrize("case", stages.CASES)
def test_a_pipeline_learns_bit_for_bit_what_one_process_learns(found, case):
    assert found[case] == []


@pytest.mark.slow
@pytest.mark.parametrize("case", ["phases", "hard"])
@pytest.mark.parametrize("led", ["led first", "led later"])
def test_a_run_goes_on_in_a_pipeline_or_out_of_it(found, case, led):
    assert found[f"{case}, {led}"] == []


@pytest.mark.slow
def test_a_loss_that_is_not_finite_is_named_as_ever(found):
    ours, theirs = found["diverged"]
    assert "is not finite at update" in ours
    assert ours == theirs


@pytest.mark.slow
def test_the_command_goes_on_from_an_ordinary_run(tmp_path):
    plain = ["train", "supervised-digits", "--precision", "fp32", "--set", "hidden=[20,16]", "--set"]
    whole = ffrec(*plain, "epochs=2", "--out", "whole", cwd=tmp_path)
    assert whole.returncode == 0, whole.stderr
    with contextlib.chdir(tmp_path):
        first = RunFolder(tmp_path / "first")
        stopped = ffrec(*plain, "epochs=2", "--out", "first", cwd=tmp_path)
        assert stopped.returncode == 0
    for step in complete(first.checkpoints)[1:]:  # all but the first epoch's checkpoint
        for file in step.iterdir():
            file.unlink()
        step.rmdir()
    for name in ("result.json", "calibration.json"):
        (first.path / name).unlink()
    again = [*plain, "epochs=2", "--out", "first", "--resume", "--pipeline"]
    done = torchrun(2, "-m", "cli", *again, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("test: error") == 1
    one, other = (
        safetensors.torch.load_file(
            complete(RunFolder(tmp_path / name).checkpoints)[-1] / "weights.safetensors"
        )
        for name in ("whole", "first")
    )
    assert all(torch.equal(value, other[name]) for name, value in one.items())
    results = [json.loads((tmp_path / name / "result.json").read_text()) for name in ("whole", "first")]
    assert results[0]["test"]["confusion"] == results[1]["test"]["confusion"]


def dearest(costs: list[float], cuts: tuple[int, ...], before: float, after: float) -> float:
    parts = [sum(costs[a:b]) for a, b in pairwise(cuts)]
    return max([parts[0] + before, *parts[1:-1], parts[-1] + after])


def test_no_plan_is_better_than_the_one_that_is_made():
    drawn = torch.Generator().manual_seed(0)
    for stages_ in (2, 3, 4):
        for _ in range(20):
            *costs, before, after = torch.rand(7, generator=drawn).tolist()
            plan = partition(costs, stages_, before, after)
            assert [level for levels in plan for level in levels] == [1, 2, 3, 4, 5]
            made = dearest(costs, (0, *(levels[-1] for levels in plan)), before, after)
            cuts = [(0, *cut, 5) for cut in combinations(range(1, 5), stages_ - 1)]
            assert made == pytest.approx(min(dearest(costs, cut, before, after) for cut in cuts))


def test_what_goes_in_and_what_comes_out_count_in_a_plan():
    assert partition([1, 1, 1, 1], 2) == [range(1, 3), range(3, 5)]
    assert partition([1, 1, 1, 1], 2, before=1.5) == [range(1, 2), range(2, 5)]
    assert partition([1, 1, 1, 1], 2, after=1.5) == [range(1, 4), range(4, 5)]
    with pytest.raises(ValueError, match="expected 1 to 2 stages for 2 hidden layers, found 3"):
        partition([1, 1], 3)


def test_parts_of_a_batch_are_put_together_in_order():
    x = torch.arange(30.0).view(5, 2, 3)
    parts = [Step({"1": part}, {2: 2 * part}, {2: part > 3}) for part in x.split(2)]
    whole = joined(parts)
    assert torch.equal(whole.inputs["1"], x)
    assert torch.equal(whole.activities[2], 2 * x)
    assert torch.equal(whole.slopes[2], x > 3)
    assert joined([Step({}, {2: x}, {2: None}), Step({}, {2: x}, {2: None})]).slopes == {2: None}


@pytest.mark.parametrize(
    ("name", "changed", "processes", "words"),
    [
        ("recurrent-mnist", {}, 2, "a feed-forward network, whose layers send nothing down, found recurrent"),
        ("aesop-sleep", {}, 2, "found character"),
        ("backprop-mnist", {}, 2, "found backprop"),
        ("supervised-mnist", {"context": "below"}, 2, "know no goodness but their own, found context below"),
        ("supervised-mnist", {"hidden_noise": 0.1}, 2, "send what they are, found hidden_noise"),
        ("supervised-mnist", {}, 5, "2 to 4 processes for 4 hidden layers, found 5"),
        ("supervised-mnist", {}, 1, "2 to 4 processes for 4 hidden layers, found 1"),
    ],
)
def test_what_cannot_be_a_pipeline_is_refused(name, changed, processes, words):
    with pytest.raises(ConfigError, match=f"--pipeline: {name}: expected .*{words}"):
        check(recipe(name).override(changed), processes)
    check(recipe("unsupervised-mnist"), 4)


def test_a_pipeline_needs_torchrun(tmp_path):
    done = ffrec("train", "unsupervised-mnist", "--pipeline", cwd=tmp_path)
    assert_refused(done, "--pipeline expects processes that torchrun started", "--nproc-per-node 2")

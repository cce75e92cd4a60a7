"""One run on many processes: the same numbers, the same bits everywhere, and what happens when one dies."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
import torch.distributed as dist
from commands import ROOT, assert_refused, environment, ffrec
from kill_ranks import TRAIN, ranks, start, weights, weights_of
from team_worker import trained

import corpora
from cli.together import continues
from ffrec.config import ConfigError
from ffrec.parallel.agreement import Disagreement, check_agreement, fingerprint
from ffrec.parallel.averaging import Averaging
from ffrec.parallel.team import ALONE, Team
from ffrec.recipes import recipe
from ffrec.storage.checkpoint import read_checkpoint
from ffrec.storage.files import RunError
from ffrec.tasks.kinds import new_task
from ffrec.training.trainer import check_splits

TWO = (
    "recurrent",
    "shuffled",
    "peers",
    "cure",
    "factored",
    "unsupervised",
    "scores",
    "bf16",
    "backprop",
    "text-sleep",
    "text-night",
    "text-teacher",
)
"""Cases that two processes run; tests/team_worker.py has more."""
FOUR = ("recurrent", "few", "few-centred")
LOOSE = {"bf16": 0.02}
"""Of cases whose gradients are rounded, in other places for other parts: how far weights may differ."""


@pytest.mark.parametrize("world", [1, 2, 3, 7])
def test_parts_of_a_batch_are_its_partition(world):
    for count in (0, 1, 5, 6, 100):
        parts = [Team(rank, world).part(count) for rank in range(world)]
        assert [i for part in parts for i in range(count)[part]] == list(range(count))
        sizes = [part.stop - part.start for part in parts]
        assert max(sizes) - min(sizes) <= 1


def test_a_run_alone_initialises_nothing():
    with Team.start(torch.device("cpu")) as team:
        assert team.world == 1
        assert not dist.is_initialized()
        assert team.lead(lambda: 3) == 3
        assert team.any(True)


def test_a_fingerprint_changes_with_every_bit_and_every_place(generator):
    layer = torch.nn.Linear(7, 5)
    before = fingerprint(layer)
    assert before == fingerprint(layer)
    with torch.no_grad():
        layer.weight.view(-1)[[0, 8]] = layer.weight.view(-1)[[8, 0]]
        assert fingerprint(layer) != before
        layer.weight.view(-1)[[0, 8]] = layer.weight.view(-1)[[8, 0]]
        layer.bias.view(torch.int32)[2] ^= 1  # the last bit
    assert fingerprint(layer) != before


def test_a_disagreement_names_the_first_part_and_the_process(monkeypatch):
    def gathered(into, own):
        for rank, found in enumerate(into):
            found.copy_(own + torch.tensor([0, 0, 1, 1])[rank] * torch.tensor([0, 5, 1]))

    monkeypatch.setattr(dist, "all_gather", gathered)
    parts = {name: torch.nn.Linear(2, 2) for name in ("one", "two", "three")}
    with pytest.raises(Disagreement, match=r"two: .* on process 2 than"):
        check_agreement(Team(0, 4), parts)
    check_agreement(ALONE, parts)


@pytest.mark.parametrize("momentum", [0.0, 0.9])
def test_averages_of_weights_with_outer_momentum(monkeypatch, momentum):
    """Two steps by hand: v ← μ v + Δ, θ ← θ_last + 0.7 (Δ + μ v); without momentum, the mean."""
    other = [torch.tensor([3.0, 1.0]), torch.tensor([0.0, 8.0])]

    def summed(value, async_op):
        value += other[len(done)]
        done.append(async_op)
        return type("Work", (), {"wait": lambda self: None})()

    monkeypatch.setattr(dist, "all_reduce", summed)
    done, weight = [], torch.zeros(2)
    averaging = Averaging(Team(0, 2), {"w": weight}, 2, momentum)
    last = velocity = torch.zeros(2)
    for step in range(4):
        weight += step + 1.0
        averaging.spread()
        assert len(done) == (step + 1) // 2
        if step % 2:
            mean = (last + 2 * step + 1 + other[step // 2]) / 2
            change = mean - last
            velocity = momentum * velocity + change
            last = last + 0.7 * (change + momentum * velocity) if momentum else mean
            torch.testing.assert_close(weight, last)
    averaging.meet()  # nothing was learnt since
    assert len(done) == 2


@pytest.mark.parametrize("saved", [0.0, 0.9])
@pytest.mark.parametrize("momentum", [0.0, 0.9])
def test_a_run_goes_on_with_or_without_outer_momentum(saved, momentum):
    """Changes count from the weights that were read, whatever was there before, and a velocity is kept."""
    before = Averaging(Team(0, 2), {"w": torch.zeros(2)}, 2, saved)
    for velocity in before.velocity.values():
        velocity.fill_(3.0)
    weight = torch.zeros(2)
    averaging = Averaging(Team(0, 2), {"w": weight}, 2, momentum)
    weight.fill_(5.0)
    for state, held in ((before.state_dict(), 3.0 * bool(saved)), ({}, 0.0)):
        averaging.load_state_dict(state)
        if momentum:
            assert averaging.last["w"].tolist() == [5.0, 5.0]
            assert averaging.velocity["w"].tolist() == [held, held]


def test_options_that_would_be_ignored_are_refused(tmp_path):
    done = ffrec("train", "supervised-digits", "--sync-every", "10", cwd=tmp_path)
    assert_refused(done, "--sync-every", "torchrun")
    done = ffrec("train", "supervised-digits", "--outer-momentum", "0.9", cwd=tmp_path)
    assert_refused(done, "--outer-momentum", "torchrun")
    torchrun = {"RANK": "0", "WORLD_SIZE": "1"}
    done = ffrec("train", "supervised-digits", "--outer-momentum", "0.9", cwd=tmp_path, **torchrun)
    assert_refused(done, "--sync-every of 2 or more")
    alone = {"RANK": "0", "WORLD_SIZE": "1", "MASTER_ADDR": "localhost", "MASTER_PORT": "0"}
    done = ffrec("train", "supervised-digits", "--sync-every", "10", cwd=tmp_path, **alone)
    assert_refused(done, "found one")


def test_what_cannot_be_split_says_so():
    cure = recipe("sleep-digits-cure")
    check_splits(cure, 1)
    check_splits(cure.override({"baseline": 0.0}), 10)
    with pytest.raises(ConfigError, match=r"baseline: .*--sync-every"):
        check_splits(cure, 10)
    os.environ.update(RANK="0", WORLD_SIZE="1")
    try:
        with pytest.raises(ConfigError, match="expected cpu or cuda under torchrun, found mps"):
            Team.start(torch.device("mps"))
    finally:
        del os.environ["RANK"], os.environ["WORLD_SIZE"]


@pytest.fixture(scope="module")
def teams(tmp_path_factory):
    """A folder with what two and four processes end with, for each case."""
    folder = tmp_path_factory.mktemp("teams")
    for processes, cases in ((2, (*TWO, "undisturbed")), (4, FOUR)):
        run = [sys.executable, "-m", "torch.distributed.run", "--standalone"]
        run += ["--nproc-per-node", str(processes), "tests/team_worker.py", str(folder), *cases]
        done = subprocess.run(run, cwd=ROOT, env=environment(), capture_output=True, text=True)
        assert done.returncode == 0, done.stderr[-3000:]
    return folder


def tensors(value):
    """All tensors of a nested state."""
    if isinstance(value, torch.Tensor):
        yield value
    elif isinstance(value, dict | list):
        for part in value.values() if isinstance(value, dict) else value:
            yield from tensors(part)


@pytest.mark.slow
@pytest.mark.parametrize("case", sorted({*TWO, *FOUR}))
def test_any_number_of_processes_ends_with_the_same_weights(teams, case):
    alone, records = trained(case, ALONE)
    expected, state = alone.trainer.network.state_dict(), alone.trainer.state()
    for processes in [n for n, cases in ((2, TWO), (4, FOUR)) if case in cases]:
        _, found, held = read_checkpoint(teams / f"{case}-{processes}")
        for name, weight in expected.items():
            bound = LOOSE.get(case, 1e-4) * weight.norm().clamp_min(1e-6)
            assert (found[name] - weight).norm() <= bound, name
        if case in LOOSE:
            continue
        for one, two in zip(tensors(state["optimiser"]), tensors(held["optimiser"]), strict=True):
            torch.testing.assert_close(two, one, rtol=1e-3, atol=1e-6)
        notes = json.loads((teams / f"notes-{processes}.json").read_text())[case]
        for one, two in zip(records, notes["records"], strict=True):
            assert two["loss"] == pytest.approx(one["loss"], rel=1e-4)
            assert two["softmax_loss"] == pytest.approx(one["softmax_loss"], rel=1e-4)
            for name, value in one["validation"].items():
                if name.startswith("error") or name in ("images", "perplexity", "interval"):
                    assert two["validation"][name] == pytest.approx(value, rel=1e-4, abs=1e-4), name
                elif name == "confusion":
                    assert two["validation"][name] == value
        assert notes["result"]["test"]


@pytest.mark.slow
def test_processes_that_learn_alone_hold_the_same_weights_after_an_average(teams):
    notes = json.loads((teams / "notes-2.json").read_text())
    often, once = (torch.tensor(notes[f"every {every}"]) for every in (4, 1000))  # the worker compares bits
    assert often.isfinite().all()
    assert not torch.equal(often, once)
    assert "two: expected the same bits on all processes, found others on process 1" in notes["disagreement"]
    assert notes["restored"]


def wait_for_checkpoint(process, run):
    """Until a run has written one, or ends."""
    while process.poll() is None and not list(run.glob("checkpoints/step-*/manifest.json")):
        time.sleep(0.05)


@pytest.mark.slow
def test_a_killed_process_ends_all_and_the_run_goes_on_to_the_same_weights(teams, tmp_path):
    run = tmp_path / "run"
    process = start(2, 1, *TRAIN, "--out", str(run))
    wait_for_checkpoint(process, run)
    os.kill(ranks(process.pid)[1], signal.SIGKILL)
    out, err = process.communicate()
    assert process.returncode == 0, err
    assert out.count("test: error") == 1  # the first process alone prints
    assert weights(run) == weights_of(teams / "undisturbed-2")


@pytest.mark.slow
def test_on_sigterm_a_checkpoint_is_written_that_one_process_goes_on_from(tmp_path):
    run = tmp_path / "run"
    process = start(2, 0, *TRAIN, "--out", str(run))
    wait_for_checkpoint(process, run)
    alive = ranks(process.pid)
    process.send_signal(signal.SIGTERM)
    process.communicate()
    assert len(alive) == 2
    stopped = weights(run)
    assert stopped
    assert not (run / "result.json").exists()
    done = ffrec("train", *TRAIN, "--resume", "--out", str(run), cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert weights(run) != stopped
    assert len(Path(run / "metrics.jsonl").read_text().splitlines()) == 8


def test_a_restart_goes_on_only_with_what_its_own_launch_began(tmp_path, monkeypatch):
    monkeypatch.setenv("TORCHELASTIC_RUN_ID", "one")
    run = tmp_path / "run"
    new_task(recipe("supervised-digits"), corpora.load("digits")).start(run)
    for name, value in {"RANK": "0", "WORLD_SIZE": "1", "TORCHELASTIC_RESTART_COUNT": "1"}.items():
        monkeypatch.setenv(name, value)
    assert continues(run, resume=False, force=False)
    monkeypatch.setenv("TORCHELASTIC_RUN_ID", "another")
    assert continues(run, resume=True, force=False)
    assert not continues(run, resume=False, force=True)
    with pytest.raises(RunError, match="exists"):
        continues(run, resume=False, force=False)
    monkeypatch.setenv("TORCHELASTIC_RUN_ID", "one")
    monkeypatch.setenv("TORCHELASTIC_RESTART_COUNT", "0")
    with pytest.raises(RunError, match="exists"):
        continues(run, resume=False, force=False)

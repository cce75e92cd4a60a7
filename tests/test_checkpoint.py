"""Run folders: whole after any crash, honest about damage, careful with what is not theirs."""

import os
import pickle
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

from ffrec.checkpoint import RunError, RunFolder, write_atomic


@pytest.fixture
def run(tmp_path) -> RunFolder:
    return RunFolder.create(tmp_path / "run", {"seed": 3})


def weights(value: float) -> dict[str, torch.Tensor]:
    return {"w": torch.full((4, 3), value).T, "b": torch.full((3,), value)}


def test_a_checkpoint_comes_back_bitwise(run, generator):
    parameter = torch.nn.Parameter(torch.randn(5, 4, generator=generator))
    optimiser = torch.optim.Adam([parameter])
    parameter.grad = torch.randn(5, 4, generator=generator)
    optimiser.step()
    state = {"optimiser": optimiser.state_dict(), "generator": generator.get_state(), "epoch": 2}
    run.save(7, {"w": parameter.detach(), "same": parameter.detach(), "turned": parameter.detach().T}, state)
    step, found, restored = RunFolder.open(run.path).load()
    assert step == 7
    assert torch.equal(found["w"], parameter)
    assert torch.equal(found["turned"], parameter.T)
    assert torch.equal(restored["generator"], state["generator"])
    assert torch.equal(
        restored["optimiser"]["state"][0]["exp_avg"], state["optimiser"]["state"][0]["exp_avg"]
    )
    assert restored["epoch"] == 2


def test_the_last_two_checkpoints_are_kept(run):
    for step in (1, 2, 30):
        run.save(step, weights(step), {})
    assert [path.name for path in run.complete()] == ["step-00000002", "step-00000030"]
    assert run.load()[0] == 30


def test_no_checkpoint_is_none_and_an_unfinished_one_is_ignored(run):
    assert run.load() is None
    run.save(1, weights(1), {})
    (run.checkpoints / "step-00000002").mkdir()
    assert run.load()[0] == 1


@pytest.mark.parametrize("name", ["weights.safetensors", "state.pt"])
@pytest.mark.parametrize("place", [0, -1, 100])
def test_a_flipped_bit_is_named_and_refused(run, name, place):
    file = run.save(1, weights(1), {"epoch": 1}) / name
    data = bytearray(file.read_bytes())
    data[place] ^= 1
    file.write_bytes(data)
    with pytest.raises(RunError, match=f"{name} is damaged"):
        run.load()


@pytest.mark.parametrize("name", ["weights.safetensors", "state.pt"])
def test_a_missing_or_short_file_is_named_and_refused(run, name):
    file = run.save(1, weights(1), {"epoch": 1}) / name
    file.write_bytes(file.read_bytes()[:-1])
    with pytest.raises(RunError, match=name):
        run.load()
    file.unlink()
    with pytest.raises(RunError, match=name):
        run.load()


def test_a_damaged_manifest_is_named(run):
    (run.save(1, weights(1), {}) / "manifest.json").write_text('{"step": 1')
    with pytest.raises(RunError, match=r"manifest\.json"):
        run.load()


class Code:
    def __reduce__(self):
        return os.getcwd, ()


def test_pickled_code_is_refused(run):
    run.save(1, weights(1), {"epoch": Code()})
    with pytest.raises(RunError, match="more than plain data"):
        run.load()
    assert pickle.loads(pickle.dumps(Code())) == os.getcwd()  # it would have run


@pytest.mark.parametrize("function", ["replace", "fsync", "rename"])
def test_a_failure_at_any_write_leaves_a_whole_checkpoint(run, monkeypatch, function):
    run.save(1, weights(1), {"epoch": 1})
    real, failures = getattr(os, function), 0
    for nth in range(1, 40):
        calls = 0

        def fail(*args, nth=nth, **kwargs):
            nonlocal calls
            calls += 1
            if calls == nth:
                raise OSError("power cut")
            return real(*args, **kwargs)

        monkeypatch.setattr(os, function, fail)
        try:
            run.save(nth + 1, weights(nth + 1), {"epoch": nth + 1})
        except OSError:
            failures += 1
        monkeypatch.setattr(os, function, real)
        step, found, state = run.load()
        assert step == state["epoch"] == found["b"][0]
        assert step in (nth, nth + 1) or failures
    assert 0 < failures < 39  # it failed everywhere it could, and then nowhere


SAVER = """
import sys, torch
from pathlib import Path
from ffrec.checkpoint import RunFolder
run = RunFolder(Path(sys.argv[1]))
for step in range(1, 10_000):
    run.save(step, {"w": torch.full((300, 300), float(step))}, {"epoch": step})
    print(step, flush=True)
"""


def test_sigkill_during_a_save_leaves_the_previous_checkpoint(run):
    for delay in (0.0, 0.003, 0.007, 0.013):
        command = [sys.executable, "-c", SAVER, str(run.path)]
        environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parent.parent)}
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as saver:
            done = [int(saver.stdout.readline()) for _ in range(3)][-1]
            time.sleep(delay)
            saver.send_signal(signal.SIGKILL)
            done = max([done, *(int(line) for line in saver.stdout.read().split())])
        step, found, state = run.load()
        assert step >= done
        assert (found["w"] == step).all()
        assert state["epoch"] == step
        for path in run.complete():  # the next saver starts again at step 1
            (path / "manifest.json").unlink()
            path.rename(path.with_name(f".tmp-{delay}-{path.name}"))


def test_metrics_are_kept_line_by_line(run):
    run.append_metrics({"epoch": 1, "loss": float("nan")})
    run.append_metrics({"epoch": 2, "loss": [0.5, float("inf")]})
    assert run.metrics() == [{"epoch": 1, "loss": None}, {"epoch": 2, "loss": [0.5, None]}]
    run.keep_metrics(1)
    assert [record["epoch"] for record in run.metrics()] == [1]


def test_an_atomic_write_that_fails_changes_nothing(tmp_path, monkeypatch):
    write_atomic(tmp_path / "file", b"before")
    monkeypatch.setattr(os, "fsync", lambda handle: (_ for _ in ()).throw(OSError("disk full")))
    with pytest.raises(OSError, match="disk full"):
        write_atomic(tmp_path / "file", b"after")
    assert (tmp_path / "file").read_bytes() == b"before"


def test_a_run_in_the_way_needs_force_and_other_peoples_files_are_left_alone(run, tmp_path):
    run.append_metrics({"epoch": 1})
    with pytest.raises(RunError, match=r"--resume.*--force.*--out"):
        RunFolder.create(run.path, {})
    assert RunFolder.create(run.path, {"seed": 4}, force=True).config == {"seed": 4}
    assert run.metrics() == []
    other = tmp_path / "thesis"
    other.mkdir()
    (other / "chapter.tex").write_text("all of it")
    with pytest.raises(RunError, match="not a run folder"):
        RunFolder.create(other, {}, force=True)
    assert (other / "chapter.tex").read_text() == "all of it"


def test_opening_what_is_no_run_is_refused(tmp_path):
    with pytest.raises(RunError, match="not a run folder"):
        RunFolder.open(tmp_path)


def test_environment_says_what_made_the_run(run):
    found = run.environment
    assert found["torch"] == torch.__version__
    assert not found["command"][0].startswith("/")

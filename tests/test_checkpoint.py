"""Run folders: whole after any crash, honest about damage, careful with what is not theirs."""

import contextlib
import itertools
import json
import os
import pickle
import random
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import safetensors.torch
import torch

from ffrec.storage.checkpoints import complete
from ffrec.storage.environment import commit
from ffrec.storage.files import RunError, write_atomic
from ffrec.storage.names import is_ours
from ffrec.storage.run_folder import RunFolder

ROOT = Path(__file__).parent.parent


@pytest.fixture
def run(tmp_path) -> RunFolder:
    with RunFolder.create(tmp_path / "run", configured(3)) as folder:
        return folder


def configured(seed: int) -> dict[str, object]:
    """The least that config.json has to say."""
    recipe = {
        "name": "a",
        "paper": "–",
        "data": "digits",
        "network": {"hidden": [3]},
        "training": {"epochs": 1},
    }
    return {"recipe": recipe, "seed": seed, "precision": "fp32"}


def weights(value: float) -> dict[str, torch.Tensor]:
    return {"w": torch.full((4, 3), float(value)).T, "b": torch.full((3,), float(value))}


def bits(tensor: torch.Tensor) -> tuple[torch.dtype, torch.Size, bytes]:
    return tensor.dtype, tensor.shape, tensor.contiguous().flatten().view(torch.uint8).numpy().tobytes()


# --- what is saved comes back ---------------------------------------------------------------------------


def test_weights_come_back_bitwise(run, generator):
    whole = torch.randn(6, 4, generator=generator)
    whole[0, 0], whole[0, 1] = float("nan"), -0.0
    saved = {"whole": whole, "same": whole, "turned": whole.T, "part": whole[1:3, ::2]}
    saved |= {"spread": torch.ones(1).expand(5), "number": torch.tensor(3), "empty": torch.empty(0, 2)}
    saved |= {str(kind): whole.nan_to_num().to(kind) for kind in (torch.float64, torch.bfloat16, torch.bool)}
    run.save(7, saved, {})
    step, found, _ = RunFolder.open(run.path).load()
    assert step == 7
    assert {name: bits(tensor) for name, tensor in found.items()} == {n: bits(t) for n, t in saved.items()}


def test_training_goes_on_as_if_it_had_never_stopped(run, generator):
    parameter = torch.nn.Parameter(torch.randn(5, 4, generator=generator))
    optimiser = torch.optim.Adam([parameter])
    scheduler = torch.optim.lr_scheduler.MultiStepLR(optimiser, [2, 4])

    def go_on(parameter, optimiser, scheduler, generator):
        for _ in range(3):
            parameter.grad = torch.randn(5, 4, generator=generator)
            optimiser.step()
            scheduler.step()
        return parameter.detach().clone()

    go_on(parameter, optimiser, scheduler, generator)
    state = {"optimiser": optimiser.state_dict(), "scheduler": scheduler.state_dict(), "epoch": 2}
    run.save(3, {"w": parameter}, state | {"generator": generator.get_state()})
    _, found, state = run.load()
    again = torch.nn.Parameter(found["w"])
    optimiser_again = torch.optim.Adam([again])
    scheduler_again = torch.optim.lr_scheduler.MultiStepLR(optimiser_again, [9])
    optimiser_again.load_state_dict(state["optimiser"])
    scheduler_again.load_state_dict(state["scheduler"])
    generator_again = torch.Generator()
    generator_again.set_state(state["generator"])
    expected = go_on(parameter, optimiser, scheduler, generator)
    assert bits(go_on(again, optimiser_again, scheduler_again, generator_again)) == bits(expected)
    assert state["epoch"] == 2
    assert type(scheduler_again.milestones) is type(scheduler.milestones)  # a Counter


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_what_was_on_a_gpu_is_saved_on_the_cpu(run):
    run.save(1, {"w": torch.ones(3, device="cuda")}, {"deep": [(torch.ones(2, device="cuda"),)]})
    _, found, state = run.load()
    assert found["w"].device.type == state["deep"][0][0].device.type == "cpu"
    assert run.load("cuda")[1]["w"].device.type == "cuda"


@pytest.mark.parametrize("steps", [(1, 2, 30), (99_999_998, 99_999_999, 100_000_000)])
def test_the_last_two_checkpoints_are_kept(run, steps):
    for step in steps:
        run.save(step, weights(step), {})
    assert {path.name for path in run.checkpoints.iterdir()} == {f"step-{step:08d}" for step in steps[1:]}
    assert run.load()[0] == steps[-1]


def test_a_step_saved_again_is_replaced(run):
    for value in (1, 2, 3):
        run.save(5, weights(value), {"value": value})
    _, found, state = run.load()
    assert state == {"value": 3}
    assert found["b"].tolist() == [3, 3, 3]
    assert [path.name for path in run.checkpoints.iterdir()] == ["step-00000005"]


def test_no_checkpoint_is_none_and_an_unfinished_one_is_ignored(run):
    assert run.load() is None
    run.save(1, weights(1), {})
    (run.checkpoints / ".tmp-1-step-00000003").mkdir()
    assert run.load()[0] == 1
    run.save(2, weights(4), {})
    assert run.load()[1]["b"].tolist() == [4, 4, 4]


# --- damage is named and refused ------------------------------------------------------------------------


def assert_refused(run: RunFolder, file: Path) -> None:
    """`file`, in the newer of two checkpoints, is named; doing what the error says goes back to the older."""
    with pytest.raises(RunError, match=re.escape(str(file))) as caught:
        run.load()
    assert "\n" not in str(caught.value)
    advised = re.search(r"delete (\S+) to go back", str(caught.value))
    assert advised[1] == str(file.parent)
    shutil.rmtree(advised[1])
    assert run.load()[0] == 1


@pytest.fixture
def newest(run) -> Path:
    """The newer of a run's two checkpoints."""
    run.save(1, weights(1), {"epoch": 1})
    return run.save(2, weights(2), {"epoch": 2})


@pytest.mark.parametrize("name", ["weights.safetensors", "state.pt"])
@pytest.mark.parametrize("place", [0, 100, -1])
def test_a_flipped_bit_is_refused_before_anything_is_parsed(run, newest, monkeypatch, name, place):
    data = bytearray((newest / name).read_bytes())
    data[place] ^= 1
    (newest / name).write_bytes(data)
    with monkeypatch.context() as patch:
        for parser in (torch, safetensors.torch):
            patch.setattr(parser, "load", lambda *a, **k: pytest.fail("parsed before it was checked"))
        with pytest.raises(RunError, match=name):
            run.load()
    assert_refused(run, newest / name)


@pytest.mark.parametrize("name", ["weights.safetensors", "state.pt"])
@pytest.mark.parametrize("left", [None, 0, -1])
def test_a_missing_or_short_file_is_refused(run, newest, name, left):
    data = (newest / name).read_bytes()
    (newest / name).unlink()
    if left is not None:
        (newest / name).write_bytes(data[:left])
    assert_refused(run, newest / name)


@pytest.mark.parametrize("text", [b"", b'{"step": 2', b"[2]", b"{}", b'{"step": 2, "sha256": {}}', b"\xff"])
def test_a_damaged_manifest_is_refused(run, newest, text):
    (newest / "manifest.json").write_bytes(text)
    assert_refused(run, newest / "manifest.json")


class Code:
    """Leaves a file behind when it is unpickled."""

    def __init__(self, trace: Path) -> None:
        self.trace = trace

    def __reduce__(self):
        return os.mkdir, (str(self.trace),)


def test_pickled_code_is_refused_and_not_run(run, tmp_path):
    run.save(1, weights(1), {})
    folder = run.save(2, weights(2), {"epoch": Code(tmp_path / "trace")})
    assert_refused(run, folder / "state.pt")
    assert not (tmp_path / "trace").exists()
    pickle.loads(pickle.dumps(Code(tmp_path / "trace")))
    assert (tmp_path / "trace").exists()  # it would have run


# --- crashes --------------------------------------------------------------------------------------------


class PowerCut(BaseException):
    """Nothing catches it, and nothing can be written after it."""


CHANGES = ["mkdir", "replace", "fsync", "unlink", "rmdir"]  # all that alters a folder, but for file contents


def fails_at(monkeypatch, nth: int, lasting: bool, act: Callable[[], object]) -> bool:
    """Whether `act` came to the nth change to the disk, which fails: once, or as a power cut for good."""
    count = itertools.count(1)

    def failing(real):
        def call(*args, **kwargs):
            if (now := next(count)) == nth or (lasting and now > nth):
                raise PowerCut if lasting else OSError("disk full")
            return real(*args, **kwargs)

        return call

    with monkeypatch.context() as patch:
        for name in CHANGES:
            patch.setattr(os, name, failing(getattr(os, name)))
        with contextlib.suppress(PowerCut, OSError):
            act()
    return next(count) > nth


def each_failure(monkeypatch, lasting, before: Path, act: Callable[[Path], object]):
    """Copies of the folder `before`, each after `act` failed at another place, until it fails nowhere."""
    for nth in range(1, 200):
        copy = before.with_name(f"{before.name}-{nth}")
        shutil.copytree(before, copy)
        if not fails_at(monkeypatch, nth, lasting, lambda copy=copy: act(copy)):
            assert nth > 3  # the file's fsync, its name, the folder's fsync: the least that is safe
            return
        yield copy
    pytest.fail("it never got through")


@pytest.mark.parametrize("lasting", [True, False], ids=["power cut", "disk full"])
@pytest.mark.parametrize("there", [(), (1,), (1, 2), (3,), (2, 3), (3, 4)], ids=str)
def test_a_failure_at_any_place_leaves_the_old_or_the_new_checkpoint_whole(run, monkeypatch, lasting, there):
    for step in there:
        run.save(step, weights(step), {"value": step})
    old, new = max(there, default=None), 30 if max(there, default=0) <= 3 else max(there)

    def save_step_3(path):
        RunFolder(path).save(3, weights(30), {"value": 30})

    seen = set()
    for path in each_failure(monkeypatch, lasting, run.path, save_step_3):
        after = RunFolder(path)
        found = after.load()
        seen.add(found and found[2]["value"])
        if found:
            assert (found[1]["w"] == found[2]["value"]).all()
            assert found[0] == (3 if found[2]["value"] == 30 else found[2]["value"])
        held = {int(folder.name.rpartition("-")[2]) for folder in complete(after.checkpoints)}
        assert len(held) >= len(there)
        after.save(9, weights(9), {"value": 9})
        assert after.load()[2] == {"value": 9}
        kept = sorted(held | {9})[-2:]
        assert sorted(after.checkpoints.iterdir()) == [
            after.checkpoints / f"step-{step:08d}" for step in kept
        ]
    assert seen == {old, new}


def test_everything_is_on_the_disk_before_a_checkpoint_gets_its_name(run, monkeypatch):
    synced, named, real_fsync, real_replace = [], [], os.fsync, os.replace

    def fsync(handle):
        synced.append(os.fstat(handle).st_ino)
        real_fsync(handle)

    def replace(source, target):
        if Path(target).name.startswith("step-"):
            named.extend(synced)
        real_replace(source, target)

    monkeypatch.setattr(os, "fsync", fsync)
    monkeypatch.setattr(os, "replace", replace)
    folder = run.save(1, weights(1), {})
    assert {path.stat().st_ino for path in [folder, *folder.iterdir()]} <= set(named)
    assert folder.parent.stat().st_ino in synced[len(named) :]
    order = [
        named.index((folder / f).stat().st_ino) for f in ("weights.safetensors", "state.pt", "manifest.json")
    ]
    assert max(order) == order[-1]


SAVER = """
import sys, torch
from pathlib import Path
from ffrec.storage.run_folder import RunFolder
run = RunFolder(Path(sys.argv[1]))
start = (run.load() or (0,))[0] + 1
run.keep_metrics(start - 1)
for step in range(start, start + 5_000):
    run.append_metrics({"epoch": step})
    for value in (step, -step):  # each step is saved, and replaced
        run.save(step, {"w": torch.full((300, 300), float(value))}, {"value": value})
    print(step, flush=True)
"""


@pytest.mark.slow
def test_sigkill_during_a_save_leaves_the_previous_checkpoint(run):
    moments = random.Random(5)
    for _ in range(2):
        command = [sys.executable, "-c", SAVER, str(run.path)]
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as saver:
            done = [int(saver.stdout.readline()) for _ in range(3)][-1]
            time.sleep(moments.uniform(0, 0.02))
            saver.send_signal(signal.SIGKILL)
            done = max([done, *(int(line) for line in saver.stdout.read().split())])
        assert saver.returncode == -signal.SIGKILL
        step, found, state = run.load()
        assert step in (done, done + 1)
        assert abs(state["value"]) == step
        assert (found["w"] == state["value"]).all()
        epochs = [record["epoch"] for record in run.metrics()]
        assert epochs in (list(range(1, done + 1)), list(range(1, done + 2)))


@pytest.mark.parametrize("lasting", [True, False], ids=["power cut", "disk full"])
def test_a_failure_while_metrics_are_written_loses_no_epoch(run, monkeypatch, lasting):
    run.append_metrics({"epoch": 1})
    failures = each_failure(
        monkeypatch, lasting, run.path, lambda path: RunFolder(path).append_metrics({"epoch": 2})
    )
    for path in failures:
        epochs = [record["epoch"] for record in RunFolder(path).metrics()]
        assert epochs in ([1], [1, 2])


def test_an_atomic_write_that_fails_changes_nothing(tmp_path, monkeypatch):
    write_atomic(tmp_path / "file", b"before")
    assert fails_at(monkeypatch, 1, False, lambda: write_atomic(tmp_path / "file", b"after"))
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
    assert (tmp_path / "file").read_bytes() == b"before"


# --- documents ------------------------------------------------------------------------------------------


def strict(text: str) -> object:
    """JSON as the standard has it: no NaN, no Infinity."""
    return json.loads(text, parse_constant=lambda word: pytest.fail(f"{word} is not JSON"))


def test_metrics_survive_and_are_kept_line_by_line(run):
    run.append_metrics({"epoch": 1, "softmax_loss": float("nan")})
    run.append_metrics({"epoch": 2, "other": [0.5, float("inf"), (float("-inf"), {"deep": 1})]})
    expected = [{"epoch": 1, "softmax_loss": None}, {"epoch": 2, "other": [0.5, None, [None, {"deep": 1}]]}]
    assert RunFolder.open(run.path).metrics() == expected
    assert [strict(line) for line in (run.path / "metrics.jsonl").read_text().splitlines()] == expected
    run.keep_metrics(5)
    assert len(run.metrics()) == 2
    run.keep_metrics(1)
    assert [record["epoch"] for record in run.metrics()] == [1]
    run.keep_metrics(0)
    assert run.metrics() == []


@pytest.mark.parametrize("text", ['{"epoch": 1}\n{"epo', "[1]\n", '{"epoch": 1}\n\n'])
def test_damaged_metrics_are_named(run, text):
    (run.path / "metrics.jsonl").write_text(text)
    with pytest.raises(RunError, match=re.escape(str(run.path / "metrics.jsonl"))):
        run.metrics()


def test_documents_go_by_name(run):
    assert run.read_json("result.json") is None
    run.write_json("result.json", {"error": float("nan"), "digits": [1, 2]})
    assert run.read_json("result.json") == {"error": None, "digits": [1, 2]}
    assert strict((run.path / "result.json").read_text()) == {"error": None, "digits": [1, 2]}
    (run.path / "result.json").write_text("[1")
    with pytest.raises(RunError, match=re.escape(str(run.path / "result.json"))):
        run.read_json("result.json")


def test_environment_says_what_made_the_run(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["/home/someone/bin/ffrec", "train", "digits"])
    found = RunFolder.create(tmp_path / "run", {}).environment
    assert found.keys() >= {"ffrec", "python", "torch", "platform", "commit", "command"}
    assert found["torch"] == torch.__version__
    assert found["ffrec"]
    assert found["command"] == ["ffrec", "train", "digits"]


@pytest.mark.skipif(shutil.which("git") is None, reason="needs git")
def test_the_commit_is_that_of_a_tracked_source_only(tmp_path, monkeypatch):
    git = [
        "git",
        "-C",
        str(tmp_path),
        "-c",
        "user.name=a",
        "-c",
        "user.email=a@b",
        "-c",
        "commit.gpgsign=false",
    ]
    (tmp_path / "ours.py").touch()
    (tmp_path / "untracked.py").touch()
    assert commit(tmp_path / "ours.py") is None
    for command in (["init", "-q"], ["add", "ours.py"], ["commit", "-qm", "first"]):
        subprocess.run([*git, *command], check=True)
    assert re.fullmatch("[0-9a-f]{40}", commit(tmp_path / "ours.py"))
    assert commit(tmp_path / "untracked.py") is None
    monkeypatch.setenv("PATH", "")
    assert commit(tmp_path / "ours.py") is None


# --- what is in the way ---------------------------------------------------------------------------------


def test_a_run_in_the_way_needs_force(run):
    run.append_metrics({"epoch": 1})
    run.save(1, weights(1), {})
    for name in ("result.json", "examples.safetensors", "report.html"):
        (run.path / name).write_text("{}")
    for name in ("pictures/heat_map.png", "tensorboard/events.out.tfevents.1.host.2.0"):
        (run.path / name).parent.mkdir()
        (run.path / name).touch()
    with pytest.raises(RunError, match=r"--resume.*--force.*--out"):
        RunFolder.create(run.path, {})
    assert run.load()[0] == 1
    again = RunFolder.create(run.path, configured(4), force=True)
    assert again.config == configured(4)
    assert RunFolder.open(run.path).config == configured(3)
    assert run.load()[2] == {}
    again.save(1, weights(2), {"new": True})
    again.release()
    assert RunFolder.open(run.path).config == configured(4)
    assert RunFolder.open(run.path).load()[2] == {"new": True}
    assert {path.name for path in run.path.iterdir()} == {"config.json", "environment.json", "checkpoints"}


def test_an_empty_folder_is_not_in_the_way(tmp_path):
    (tmp_path / "run").mkdir()
    assert RunFolder.create(tmp_path / "run", configured(1)).config == configured(1)


def test_force_knows_every_file_that_this_toolkit_puts_in_a_run_folder():
    sources = [file.read_text() for room in ("ffrec", "cli") for file in (ROOT / room).rglob("*.py")]
    names = {name for text in sources for name in re.findall(r'\bpath / "([^"]+)"', text)}
    names |= {name for text in sources for name in re.findall(r'write_json\("([^"]+)"', text)}
    assert {"examples.safetensors", "report.html", "result.json", "checkpoints"} <= names
    names -= {".next", ".ready", "result"}
    assert [name for name in sorted(names) if not is_ours(Path(name), Path())] == []


STRANGERS = {
    "no run at all": {"chapter.tex": "all of it"},
    "a model that has a config.json": {"config.json": '{"model_type": "bert"}', "model.safetensors": "w"},
    "a project that has both": {"config.json": "{}", "environment.json": '{"name": "conda"}'},
    "both, but no JSON": {"config.json": "{}", "environment.json": "name: conda"},
}


@pytest.mark.parametrize("files", STRANGERS.values(), ids=STRANGERS)
def test_force_leaves_what_is_no_run_alone(tmp_path, files):
    other = tmp_path / "other"
    other.mkdir()
    for name, text in files.items():
        (other / name).write_text(text)
    with pytest.raises(RunError, match=r"not a run folder.*--out"):
        RunFolder.create(other, {}, force=True)
    assert {path.name: path.read_text() for path in other.iterdir()} == files


def test_force_leaves_a_run_alone_that_holds_a_users_file(run):
    run.append_metrics({"epoch": 1})
    (run.path / "notes.txt").write_text("mine")
    with pytest.raises(RunError, match=r"notes\.txt is not part of a run.*--out"):
        RunFolder.create(run.path, {}, force=True)
    assert (run.path / "notes.txt").read_text() == "mine"
    assert len(run.metrics()) == 1


def test_force_removes_a_link_not_what_it_leads_to(run, tmp_path):
    (tmp_path / "big disk").mkdir()
    (tmp_path / "big disk" / "file").touch()
    run.checkpoints.symlink_to(tmp_path / "big disk")
    with RunFolder.create(run.path, {}, force=True) as again:
        again.save(1, weights(1), {})
    assert not run.checkpoints.is_symlink()
    assert (tmp_path / "big disk" / "file").exists()


def test_force_does_not_replace_a_file(tmp_path):
    (tmp_path / "file").write_text("mine")
    for force in (False, True):
        with pytest.raises(RunError, match="file"):
            RunFolder.create(tmp_path / "file", {}, force)
    assert (tmp_path / "file").read_text() == "mine"


def test_a_power_cut_during_force_leaves_what_force_can_replace(run, monkeypatch):
    run.append_metrics({"epoch": 1})
    run.save(1, weights(1), {})
    again = configured(4)

    def replace(path):
        with RunFolder.create(path, again, force=True) as folder:
            folder.save(2, weights(2), {"new": True})

    seen = set()
    for path in each_failure(monkeypatch, True, run.path, replace):
        found = RunFolder.open(path)
        seen.add(found.config["seed"])
        assert found.load()[2] == ({} if found.config == configured(3) else {"new": True})
        assert len(found.metrics()) == (found.config == configured(3))
        replace(path)
        assert RunFolder.open(path).config == again
    assert seen == {3, 4}


@pytest.mark.parametrize("name", [None, "config.json"])
def test_opening_what_is_no_run_is_refused(tmp_path, name):
    if name:
        (tmp_path / name).write_text("{}")
    with pytest.raises(RunError, match="not a run folder"):
        RunFolder.open(tmp_path)
    with pytest.raises(RunError, match="not a run folder"):
        RunFolder.open(tmp_path / "nowhere")

"""The command line as a user meets it: real output, one line for a mistake."""

import json
import re
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import pytest
import torch
from commands import ROOT, assert_refused, command, environment, ffrec, process

import cli.train
import corpora
from cli.__main__ import COMMANDS
from cli.progress import TrainingBar
from ffrec.training.events import Update

QUICK = ["--set", "hidden=[12,10]", "--set", "epochs=2", "--set", "batch=100"]


@pytest.fixture(scope="module")
def trained(tmp_path_factory) -> tuple[Path, dict]:
    """A small finished run, and what `train --json` said of it."""
    folder = tmp_path_factory.mktemp("trained")
    done = ffrec("train", "recurrent-digits", *QUICK, "--seed", "3", "--out", "run", "--json", cwd=folder)
    assert done.returncode == 0, done.stderr
    return folder / "run", json.loads(done.stdout)


def test_train_json_is_one_object_with_the_promised_keys(trained):
    run, said = trained
    assert said["recipe"] == "recurrent-digits"
    assert (said["seed"], said["epochs"], said["run"]) == (3, 2, "run")
    assert said["seconds"] > 0
    assert "device" in said
    for part, images in (("validation", 237), ("test", 360)):
        assert 0 <= said[part]["error_goodness"] <= 100
        assert 0 <= said[part]["error_softmax"] <= 100
        assert said[part]["images"] == images == sum(map(sum, said[part]["confusion"]))
    assert json.loads((run / "result.json").read_text()) == said


def test_training_is_quiet_without_a_terminal(tmp_path):
    done = ffrec("train", "recurrent-digits", *QUICK, cwd=tmp_path)
    assert done.stderr == ""
    assert "% by goodness" in done.stdout
    assert (tmp_path / "runs" / "recurrent-digits-0" / "result.json").is_file()


def test_evaluate_agrees_with_training(trained):
    run, said = trained
    done = ffrec("evaluate", str(run), "--json", cwd=run.parent)
    again = json.loads(done.stdout)
    for part in ("validation", "test"):
        for key in ("error_goodness", "error_softmax", "confusion"):
            assert again[part][key] == said[part][key]
    assert {"recipe", "seed", "device", "epochs", "seconds", "run"} <= again.keys()


def test_candidates_are_reported_against_all_labels(trained):
    run, said = trained
    one = json.loads(ffrec("evaluate", str(run), "--candidates", "1", "--json", cwd=run.parent).stdout)[
        "test"
    ]
    assert one["error_goodness"] == one["error_softmax"] == said["test"]["error_softmax"]
    assert one["all_labels"]["error_goodness"] == said["test"]["error_goodness"]
    assert one["all_labels"]["seconds"] > 0
    text = ffrec("evaluate", str(run), "--candidates", "2", cwd=run.parent).stdout
    assert "2 candidates: " in text
    assert "confusion matrix" in text


def test_plot_and_report_make_their_files(trained):
    run, said = trained
    done = ffrec("plot", str(run), cwd=run.parent)
    assert all((run.parent / line).is_file() for line in done.stdout.split())
    assert (run / "report.html").is_file()
    readme = run.parent / "README.md"
    readme.write_text("before\n<!-- results -->\nold\n<!-- /results -->\nafter\n")
    table = ffrec("report", ".", "--results", cwd=run.parent).stdout.strip()
    assert f"| {said['test']['error_goodness']:.2f} |" in table
    assert ffrec("report", ".", "--into", "README.md", cwd=run.parent).returncode == 0
    assert readme.read_text() == f"before\n<!-- results -->\n{table}\n<!-- /results -->\nafter\n"
    listed = ffrec("ls", "--runs", ".", cwd=run.parent).stdout
    assert "recurrent-mnist-alternating" in listed
    assert f"{said['test']['error_goodness']:.2f} %" in listed


def test_names_can_be_copied_from_a_narrow_terminal(trained):
    run, _ = trained
    listed = ffrec("ls", "--runs", str(run.parent), cwd=run.parent, COLUMNS="80").stdout
    assert "recurrent-mnist-alternating" in listed
    assert str(run) in listed


def test_data_commands(tmp_path):
    listed = ffrec("data", "ls", "--data", ".", cwd=tmp_path)
    assert (listed.returncode, listed.stderr) == (0, "")
    assert "not here: downloads on first use" in listed.stdout
    assert "fables" in listed.stdout
    assert "embedded" in ffrec("data", "verify", "digits", cwd=tmp_path).stdout
    (tmp_path / "mnist").mkdir()
    (tmp_path / "mnist" / "t10k-labels-idx1-ubyte").write_bytes(b"wrong")
    done = ffrec("data", "verify", "mnist", "--data", ".", cwd=tmp_path)
    assert done.returncode == 2
    assert "expected SHA-256" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["train", "recurent-digits"], "did you mean recurrent-digits"),
        (["train", "recurrent-digits", "--set", "epoch=3"], "did you mean epochs"),
        (["train", "recurrent-digits", "--set", "epochs=four"], "valid integer"),
        (["train", "recurrent-digits", "--set", "epochs=0"], "greater than 0"),
        (["train", "recurrent-digits", "--set", "epochs"], "key=value"),
        (["train", "recurrent-digits", "--set", "hidden=[5,"], "TOML"),
        (["train", "recurrent-digits", "--seed", "-1"], "seed"),
        (["train", "recurrent-digits", "--seed", "x"], "seed"),
        (["train", "recurrent-digits", "--precision", "tf32", "--device", "cpu"], "tf32 needs --device cuda"),
        (["train", "recurrent-digits", "--device", "tpu"], "cuda"),
        (["train", "recurrent-mnist", "--data", "nowhere"], "--data"),
        (["train"], "recipe"),
        (["trian"], "trian"),
        (["evaluate", "nowhere"], "not a run folder"),
        (["plot", "nowhere"], "not a run folder"),
        (["report", ".", "--into", "nowhere.md"], "found no run in it"),
        (["report", "nowhere"], "expected a folder of run folders"),
        (["ls", "--runs", "nowhere"], "expected a folder of run folders"),
        (["data", "verify", "mnst"], "did you mean mnist"),
    ],
)
def test_a_mistake_is_one_line_and_exit_code_2(arguments, words, tmp_path):
    done = ffrec(*arguments, cwd=tmp_path)
    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 1
    assert words in done.stderr
    assert done.stdout == ""
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has CUDA")
def test_cuda_without_cuda_is_one_line(tmp_path):
    done = ffrec("train", "recurrent-digits", "--device", "cuda", cwd=tmp_path)
    assert (done.returncode, len(done.stderr.splitlines())) == (2, 1)
    assert "use --device auto" in done.stderr


def test_a_run_in_the_way_is_kept_without_force(trained):
    run, _ = trained
    done = ffrec("train", "recurrent-digits", *QUICK, "--out", "run", cwd=run.parent)
    assert (done.returncode, len(done.stderr.splitlines())) == (2, 1)
    assert "--force" in done.stderr


def test_force_replaces_a_run_and_nothing_else(trained, tmp_path):
    shutil.copytree(trained[0], tmp_path / "run")
    again = ["train", "recurrent-digits", *QUICK, "--out", "run", "--force", "--seed", "4"]
    assert ffrec(*again, cwd=tmp_path).returncode == 0
    assert json.loads((tmp_path / "run/config.json").read_text())["seed"] == 4
    (tmp_path / "run/notes.txt").touch()
    done = ffrec(*again, cwd=tmp_path)
    assert (done.returncode, len(done.stderr.splitlines())) == (2, 1)
    assert "notes.txt is not part of a run, so --force leaves it alone" in done.stderr


def test_a_run_folder_is_looked_at_before_data_is_sought(tmp_path):
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder/mine.txt").touch()
    (tmp_path / "results/quick").mkdir(parents=True)
    for name in ("config", "environment"):
        copied = (ROOT / "results/supervised-mnist-0" / name).with_suffix(".json")
        shutil.copy(copied, tmp_path / "results/quick")
    nothing = ["--data", "nowhere"]
    for arguments, said in (
        (["train", "supervised-mnist", "--resume", "--out", "folder"], "folder is not a run folder"),
        (["train", "supervised-mnist", "--out", "results"], "results exists"),
        (["evaluate", "results/quick"], "results/quick has no checkpoint yet"),
    ):
        done = ffrec(*arguments, *nothing, cwd=tmp_path)
        assert (done.returncode, len(done.stderr.splitlines())) == (2, 1)
        assert said in done.stderr


def test_a_finished_run_without_its_checkpoint_says_so(trained, tmp_path):
    run, _ = trained
    shutil.copytree(run, tmp_path / "kept", ignore=shutil.ignore_patterns("checkpoints"))
    done = ffrec("evaluate", "kept", cwd=tmp_path)
    assert_refused(done, "found the results of a finished run alone", "trains it again, with another --out")


def test_a_recipe_explains_its_settings(tmp_path):
    done = ffrec("recipe", "conv-digits", "--explain", cwd=tmp_path)
    lines = done.stdout.splitlines()
    after = lines[lines.index("  rate = 0.001") + 1]
    assert after == "      Learning rate of the hidden layers."
    assert "Learning rate" not in ffrec("recipe", "conv-digits", cwd=tmp_path).stdout
    found = json.loads(ffrec("recipe", "conv-digits", "--explain", "--json", cwd=tmp_path).stdout)
    assert found["meanings"]["rate"] == "Learning rate of the hidden layers."
    assert found["meanings"].keys() == found["settings"].keys()


def test_resume_with_other_settings_names_the_difference(trained):
    run, _ = trained
    arguments = ["train", "recurrent-digits", *QUICK, "--out", "run", "--resume", "--seed", "3"]
    done = ffrec(*arguments, "--set", "rate=0.1", cwd=run.parent)
    assert (done.returncode, len(done.stderr.splitlines())) == (2, 1)
    assert "recipe.training.rate = 0.001, found 0.1" in done.stderr


def test_resuming_a_finished_run_says_the_same_again(trained):
    run, said = trained
    arguments = ["train", "recurrent-digits", *QUICK, "--out", "run", "--resume", "--seed", "3", "--json"]
    done = ffrec(*arguments, "--set", "validate_every=7", cwd=run.parent)
    assert done.stderr == "run is trained to its end: only its result is made\n"
    again = json.loads(done.stdout)
    assert again["test"]["confusion"] == said["test"]["confusion"]


def test_a_finished_run_without_its_metrics_is_tested_again(trained, tmp_path):
    run, said = trained
    shutil.copytree(run, tmp_path / "run")
    (tmp_path / "run/metrics.jsonl").unlink()
    arguments = ["train", "recurrent-digits", *QUICK, "--out", "run", "--resume", "--seed", "3", "--json"]
    again = json.loads(ffrec(*arguments, cwd=tmp_path).stdout)
    assert again["test"]["confusion"] == said["test"]["confusion"]
    assert "validation" not in again


def test_a_run_may_learn_from_the_validation_images_too(tmp_path):
    longer = [*QUICK, "--set", "train_on_validation=true", "--out", "run"]
    done = ffrec("train", "recurrent-digits", *longer, cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert "validation" not in done.stdout
    record, _ = map(json.loads, (tmp_path / "run/metrics.jsonl").read_text().splitlines())
    assert (record["updates"], "validation" in record) == (15, False)  # of 100 images, the last of 37
    again = json.loads(ffrec("evaluate", "run", "--json", cwd=tmp_path).stdout)
    assert (
        again["test"]["confusion"]
        == json.loads((tmp_path / "run/result.json").read_text())["test"]["confusion"]
    )
    assert "validation" not in again
    drawn = ffrec("plot", "run", cwd=tmp_path)
    assert (drawn.returncode, drawn.stderr) == (0, "")


def test_a_run_folder_from_before_a_setting_goes_on_with_its_default(trained, tmp_path):
    shutil.copytree(trained[0], tmp_path / "run")
    config = json.loads((tmp_path / "run/config.json").read_text())
    assert config["recipe"]["training"].pop("train_on_validation") is False
    (tmp_path / "run/config.json").write_text(json.dumps(config))
    arguments = ["train", "recurrent-digits", *QUICK, "--out", "run", "--resume", "--seed", "3"]
    again = ffrec(*arguments, "--json", cwd=tmp_path)
    assert json.loads(again.stdout)["test"]["confusion"] == trained[1]["test"]["confusion"]
    refused = ffrec(*arguments, "--set", "train_on_validation=true", cwd=tmp_path)
    assert (refused.returncode, len(refused.stderr.splitlines())) == (2, 1)
    assert "train_on_validation = False, found True" in refused.stderr


def test_the_command_of_a_run_from_before_a_setting_gives_its_default(tmp_path):
    shutil.copytree(ROOT / "results/sleep-mnist-cure-0", tmp_path / "runs/old")
    file = tmp_path / "runs/old/config.json"
    config = json.loads(file.read_text())
    del config["recipe"]["network"]["scaling"]  # which the recipe of today sets
    file.write_text(json.dumps(config))
    assert "--set scaling=0.0" in ffrec("report", "--results", cwd=tmp_path).stdout


LONG = ["train", "recurrent-digits", "--set", "hidden=[12,10]", "--set", "epochs=6"]


@pytest.fixture(scope="module")
def whole(tmp_path_factory) -> Path:
    """A run that was never stopped."""
    folder = tmp_path_factory.mktemp("whole")
    assert ffrec(*LONG, "--out", "run", cwd=folder).returncode == 0
    return folder / "run"


def assert_goes_on(whole: Path, folder: Path, returncode: int, words: str, code: int) -> None:
    """The run `folder` was stopped with the exit code; resumed, it ends bitwise equal to the whole one."""
    assert returncode == code
    assert "--resume" in words
    assert not (folder / "result.json").exists()
    rest = ffrec(*LONG, "--out", folder.name, "--json", "--resume", cwd=folder.parent)
    test = json.loads((whole / "result.json").read_text())["test"]
    assert json.loads(rest.stdout)["test"]["confusion"] == test["confusion"]
    last = sorted((whole / "checkpoints").iterdir())[-1].name
    files = [run / "checkpoints" / last / "weights.safetensors" for run in (whole, folder)]
    assert files[0].read_bytes() == files[1].read_bytes()


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_writes_a_checkpoint_and_resume_ends_bitwise_equal(
    whole, tmp_path, monkeypatch, number, code
):
    def stop_in_the_second_epoch(bar, event):
        if isinstance(event, Update) and (event.epoch, event.step) == (2, 3):
            signal.raise_signal(number)

    before = signal.getsignal(number)
    with monkeypatch.context() as patch:
        patch.setattr(TrainingBar, "show", stop_in_the_second_epoch)
        done = ffrec(*LONG, "--out", "cut", "--json", cwd=tmp_path)
    assert signal.getsignal(number) is before
    assert done.stdout == ""
    assert_goes_on(whole, tmp_path / "cut", done.returncode, done.stderr, code)


@pytest.mark.slow
def test_a_process_that_gets_a_signal_can_be_resumed(whole, tmp_path):
    with subprocess.Popen(
        command(*LONG, "--out", "cut"), cwd=tmp_path, env=environment(), stderr=subprocess.PIPE, text=True
    ) as run:
        while not (tmp_path / "cut" / "metrics.jsonl").exists():
            assert run.poll() is None
            time.sleep(0.005)
        run.send_signal(signal.SIGTERM)
        words = run.stderr.read()
    assert_goes_on(whole, tmp_path / "cut", run.returncode, words, 143)


@pytest.fixture
def own(monkeypatch):
    """A stand-in for the reader of a user's own images: two classes of the embedded digits."""
    digits = corpora.load("digits")

    def part(split, shift=0):
        chosen = split.labels < 2
        return corpora.Split(split.images[chosen] + shift, split.labels[chosen])

    def load_images(path, folder=None, shift=0):
        described = replace(digits.description, name=str(path), classes=("circle", "bar"))
        parts = (part(digits.train, shift), part(digits.validation), part(digits.test))
        return OwnCorpus(*parts, described, digest=f"{shift:064d}")

    monkeypatch.setattr(corpora, "load_images", load_images, raising=False)
    return load_images


@dataclass(frozen=True)
class OwnCorpus(corpora.Corpus):
    """A corpus with a checksum and a note, as a user's own has them."""

    note: str = "no test images were given: 72 of 360 were held out"
    digest: str = ""

    @property
    def sha256(self) -> str:
        return self.digest


def test_images_of_ones_own_decide_the_number_of_outputs(own, monkeypatch, tmp_path):
    (tmp_path / "shapes").mkdir()
    asked = ["train", "recurrent-digits", *QUICK, "--images", "shapes", "--out", "run"]
    done = ffrec(*asked, cwd=tmp_path)
    assert done.returncode == 0, done.stderr  # so short a training is no better than guessing, and says so
    assert done.stdout.startswith("no test images were given: 72 of 360 were held out\n")
    config = json.loads((tmp_path / "run/config.json").read_text())
    assert config["classes"] == ["circle", "bar"]
    assert config["data_sha256"] == "0" * 64
    assert config["recipe"]["data"] == str(tmp_path / "shapes")
    printed = ffrec("evaluate", "run", cwd=tmp_path).stdout
    assert re.search(r"^ +circle +\d+ +\d+\n +bar +\d+ +\d+\n", printed, re.MULTILINE)
    assert ffrec(*asked, "--resume", cwd=tmp_path).returncode == 0
    json_only = ffrec(*asked, "--force", "--json", cwd=tmp_path)
    assert json.loads(json_only.stdout)["run"] == "run"
    monkeypatch.setattr(corpora, "load_images", partial(own, shift=1), raising=False)
    for again in (["evaluate", "run"], [*asked, "--resume"]):
        assert_refused(ffrec(*again, cwd=tmp_path), "shapes is not what run was trained on: expected SHA-256")
    del config["data_sha256"], config["classes"]
    (tmp_path / "run/config.json").write_text(json.dumps(config))  # as older folders are
    for again in (["evaluate", "run"], [*asked, "--resume"]):
        assert ffrec(*again, cwd=tmp_path).returncode == 0


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["train", "recurrent-digits", "--data", "."], "--data is not read for the embedded digits"),
        (["train", "recurrent-mnist", "--text", "a.txt"], "--text is read by character recipes"),
        (["train", "recurrent-mnist", "--alphabet", "auto"], "--alphabet is read by character recipes"),
        (["train", "recurrent-mnist", "--dreams", "a.txt"], "--dreams is read by character recipes"),
        (["train", "recurrent-mnist", "--images", ".", "--data", "."], "--data is not read where --images"),
        (["evaluate", "RUN", "--data", "."], "--data is not read for the embedded digits"),
    ],
)
def test_an_option_that_would_be_ignored_is_refused(trained, tmp_path, arguments, words):
    done = ffrec(*(str(trained[0]) if word == "RUN" else word for word in arguments), cwd=tmp_path)
    assert_refused(done, words)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_named_by_the_environment_is_never_refused(trained, tmp_path):
    assert ffrec("evaluate", str(trained[0]), cwd=tmp_path, FFREC_DATA=str(tmp_path)).returncode == 0


def test_tensorboard_events_are_written(tmp_path):
    pytest.importorskip("tensorboard", reason="the extra 'tensorboard' is not installed")
    done = ffrec("train", "recurrent-digits", *QUICK, "--out", "run", "--tensorboard", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert list((tmp_path / "run" / "tensorboard").iterdir())


class Events:
    """Keeps what it is given, in place of TensorBoard's writer."""

    def __init__(self, folder: str) -> None:
        self.folder, self.scalars, self.closed = folder, [], False

    def add_scalar(self, name: str, value: float, epoch: int) -> None:
        self.scalars.append((name, epoch, value))

    def close(self) -> None:
        self.closed = True


def test_events_are_the_numbers_of_every_epoch(tmp_path, monkeypatch):
    made = []
    monkeypatch.setattr(cli.train, "event_writer", lambda: lambda path: made.append(Events(path)) or made[0])
    done = ffrec("train", "recurrent-digits", *QUICK, "--out", "run", "--tensorboard", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    (events,) = made
    assert (events.folder, events.closed) == ("run/tensorboard", True)
    records = [json.loads(line) for line in (tmp_path / "run/metrics.jsonl").read_text().splitlines()]
    for epoch, record in enumerate(records, 1):
        expected = {f"loss/layer {level}": loss for level, loss in enumerate(record["loss"], 1)}
        for name in ("error_goodness", "error_softmax"):
            expected[f"validation/{name}"] = record["validation"][name]
        found = {name: value for name, at, value in events.scalars if at == epoch}
        assert found.items() >= expected.items()
        assert sum("accuracy/layer" in name for name in found) == 2


def test_tensorboard_without_the_extra_is_one_line(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    done = ffrec("train", "recurrent-digits", *QUICK, "--tensorboard", cwd=tmp_path)
    assert_refused(done, "needs the extra 'tensorboard'")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_the_process_ends_with_the_exit_code_and_one_line(tmp_path):
    assert_refused(process("train", "recurent-digits", cwd=tmp_path), "ffrec: ", "did you mean")


MEASURED = """
import sys, time
start = time.process_time()
{act}
print(sorted({heavy} & set(sys.modules)), time.process_time() - start)
"""
HEAVY = {"torch", "numpy", "sklearn", "pooch", "ffrec", "corpora"}


@pytest.mark.slow
def test_help_lists_every_command_and_does_not_wait_for_torch(tmp_path):
    def measured(act):
        code = MEASURED.format(act=act, heavy=HEAVY)
        done = subprocess.run(
            [sys.executable, "-c", code], cwd=tmp_path, env=environment(), capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr
        *said, last = done.stdout.splitlines()
        return said, *last.rsplit(" ", 1)

    said, imported, light = measured("from cli.__main__ import run; assert run(['--help']) == 0")
    assert imported == "[]"
    shown = [line.split(None, 1) for line in said[said.index("Commands:") + 1 :] if line]
    assert shown == [list(row) for row in COMMANDS.items()]
    *_, heavy = measured("import torch")
    assert float(light) <= 0.15 * float(heavy)


def test_every_command_has_help():
    for name in COMMANDS:
        done = ffrec(name, "--help", cwd=ROOT)
        assert (done.returncode, done.stderr) == (0, "")
        assert "Usage: ffrec " + name in done.stdout


def test_a_run_whose_process_died_before_it_began_is_begun(tmp_path):
    (tmp_path / "runs/quick").mkdir(parents=True)
    (tmp_path / "runs/quick/environment.json").write_text("{}")
    for option in ([], ["--resume"]):
        done = ffrec("train", "recurrent-digits", *QUICK, "--out", "runs/quick", *option, cwd=tmp_path)
        assert done.returncode == 0, done.stderr
        (tmp_path / "runs/quick/data.json").unlink()  # as if the process had died before it was written
    assert (
        ffrec("train", "recurrent-digits", *QUICK, "--out", "runs/quick", "--resume", cwd=tmp_path).returncode
        == 0
    )
    assert (tmp_path / "runs/quick/data.json").is_file()


@pytest.mark.parametrize("command", ["evaluate", "train"])
def test_a_configuration_without_a_recipe_is_one_line(tmp_path, command):
    (tmp_path / "run").mkdir()
    for name in ("config", "environment"):
        (tmp_path / "run" / name).with_suffix(".json").write_text("{}")
    train = ["train", "recurrent-digits", *QUICK, "--out", "run", "--resume"]
    arguments = train if command == "train" else [command, "run"]
    done = ffrec(*arguments, cwd=tmp_path)
    assert (done.returncode, len(done.stderr.splitlines())) == (2, 1)
    assert "recipe" in done.stderr

"""Generating text: temperatures that underflow, files that are folders, counts that never end."""

import errno

import pytest
import torch
from commands import assert_refused, ffrec

from ffrec.data.sampling import sharpen
from ffrec.reports.figures.histograms import pair_accuracy

TRAIN = ["train", "fables", "--set", "hidden=[20]", "--set", "epochs=1", "--set", "passes=1"]
QUICK = ["--set", "strings=40", "--set", "batch=40", "--set", "validate_every=1"]


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("text")
    done = ffrec(*TRAIN, *QUICK, "--out", "run", cwd=folder)
    assert done.returncode == 0, done.stderr
    return folder / "run"


@pytest.mark.parametrize("temperature", [0.0, 1e-320, 1e-45, 1e-38])
def test_a_tiny_temperature_takes_the_likeliest(temperature):
    log_p = torch.tensor([[0.2, 0.7, 0.1]]).log()
    assert sharpen(log_p, temperature).tolist() == [[0.0, 1.0, 0.0]]


@pytest.mark.parametrize("temperature", [1e38, 1e300])
def test_a_huge_temperature_treats_all_alike(temperature):
    log_p = torch.tensor([[0.2, 0.7, 0.1]]).log()
    assert sharpen(log_p, temperature).tolist() == [[pytest.approx(1 / 3)] * 3]


def test_a_sample_of_a_tiny_temperature_is_the_likeliest_text(run):
    cold, colder = (
        ffrec("sample", str(run), "--length", "8", "--temperature", heat, cwd=run.parent)
        for heat in ("0", "1e-320")
    )
    assert cold.stdout == colder.stdout


@pytest.mark.parametrize("temperature", ["nan", "inf", "-1"])
@pytest.mark.parametrize("name", ["sample", "dream"])
def test_what_is_no_temperature_is_refused(name, temperature, run):
    done = ffrec(name, str(run), "--temperature", temperature, cwd=run.parent)
    assert_refused(done, "--temperature")


@pytest.mark.parametrize("out", [".", "/", "run", "missing/d.txt"])
def test_dreams_do_not_go_where_no_file_can_be(out, run):
    assert_refused(ffrec("dream", str(run), "--out", out, cwd=run.parent), out.split("/")[0])


def test_dreams_are_streamed_and_appear_whole(run, tmp_path, monkeypatch):
    from ffrec.tasks import text

    whole = ffrec("dream", str(run), "--count", "7", cwd=tmp_path).stdout
    monkeypatch.setattr(text, "DREAMT", 4)
    done = ffrec("dream", str(run), "--count", "7", "--out", "d.txt", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (0, "")
    lines = (tmp_path / "d.txt").read_text().splitlines()
    assert len(lines) == 7
    assert lines[:4] == whole.splitlines()[:4]  # the first ones are the same, however many follow
    assert sorted(path.name for path in tmp_path.iterdir()) == ["d.txt"]


def test_dreams_that_are_interrupted_leave_the_old_file(run, tmp_path, monkeypatch):
    from ffrec.tasks.text import TrainedText

    (tmp_path / "d.txt").write_text("old")

    def cut_short(*_):
        yield {"dreamt": torch.zeros(1, 3, dtype=torch.int64)}
        raise KeyboardInterrupt

    monkeypatch.setattr(TrainedText, "dream", cut_short)
    assert ffrec("dream", str(run), "--out", "d.txt", cwd=tmp_path).returncode == 130
    assert [path.name for path in tmp_path.iterdir()] == ["d.txt"]
    assert (tmp_path / "d.txt").read_text() == "old"


def test_a_full_output_is_not_blamed_on_the_file(run, tmp_path, monkeypatch):
    def refuse(*_, **__):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("cli.dream.show", refuse)
    done = ffrec("dream", str(run), "--out", "d.txt", "--score", cwd=tmp_path)
    assert_refused(done, "standard output: ", "No space left")
    assert list(tmp_path.iterdir()) == []


def test_pairs_are_counted_as_their_definition_says(generator):
    positive, negative = (torch.randint(5, (2, 30), generator=generator).numpy() for _ in range(2))
    for layer, share in enumerate(pair_accuracy(positive, negative)):
        p, n = positive[layer][:, None], negative[layer][None]
        assert share == pytest.approx((p > n).mean() + (p == n).mean() / 2)


@pytest.mark.parametrize("wrong", ["hidden", "checkpoint"])
def test_weights_of_another_network_are_refused(wrong, run, tmp_path):
    import json
    import shutil

    shutil.copytree(run, tmp_path / "other")
    if wrong == "hidden":
        config = json.loads((run / "config.json").read_text())
        config["recipe"]["network"]["hidden"] = [1_000_000_000]
        (tmp_path / "other" / "config.json").write_text(json.dumps(config))
    else:
        digits = [
            "train",
            "supervised-digits",
            "--set",
            "hidden=[20]",
            "--set",
            "epochs=1",
            "--out",
            "images",
        ]
        assert ffrec(*digits, cwd=tmp_path).returncode == 0
        shutil.rmtree(tmp_path / "other" / "checkpoints")
        shutil.copytree(tmp_path / "images" / "checkpoints", tmp_path / "other" / "checkpoints")
    for name in ("sample", "dream", "perplexity"):
        assert_refused(ffrec(name, "other", cwd=tmp_path), "expected weights of", "train it again")

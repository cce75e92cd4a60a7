"""Training that collapses says so while it happens, in the record and in the result."""

import json

import pytest
import torch
from commands import ffrec

from ffrec.evaluation.health import dead, guessed, guessed_text, saturated, share_on

TRAIN = ["train", "recurrent-digits", "--set", "hidden=[20,20]", "--set", "epochs=2", "--out", "run"]
TRAIN += ["--set", "noise=0.0", "--set", "hidden_noise=0.0", "--set", "weight_decay=0.0"]
TRAIN += ["--set", "sharpness=30.0"]


def records(folder):
    return [json.loads(line) for line in (folder / "run" / "metrics.jsonl").read_text().splitlines()]


@pytest.mark.parametrize(
    ("setting", "words"), [("rate=1e9", "units are ever on"), ("threshold=-1e30", "saturated")]
)
def test_a_collapse_is_said_and_recorded(setting, words, tmp_path):
    done = ffrec(*TRAIN, "--set", setting, cwd=tmp_path)
    assert done.returncode == 0
    assert "warning: epoch 1: hidden layer 1: " in done.stderr
    assert "no better than guessing" in done.stderr
    found = records(tmp_path)
    assert any(words in warning for warning in found[0]["warnings"])
    result = json.loads((tmp_path / "run" / "result.json").read_text())
    assert set(found[1]["warnings"]) <= set(result["warnings"])
    assert any(warning.startswith("test: ") for warning in result["warnings"])


def test_strict_makes_it_an_error(tmp_path):
    done = ffrec(*TRAIN, "--set", "threshold=-1e30", "--strict", cwd=tmp_path)
    assert done.returncode == 1
    assert "ffrec: hidden layer 1: its goodness is saturated" in done.stderr.splitlines()[-1]
    assert len(records(tmp_path)) == 1  # it ended at once, and the epoch is on record
    assert not (tmp_path / "run" / "result.json").exists()


def test_a_healthy_run_has_no_warnings(tmp_path):
    wide = ["--set", "hidden=[100]", "--set", "epochs=2", "--set", "passes=2", "--set", "strings=100"]
    done = ffrec("train", "fables", *wide, "--strict", "--out", "run", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert all(record["warnings"] == [] and min(record["on"]) > 0.5 for record in records(tmp_path))


def test_a_loss_that_was_never_finite_is_not_blamed_on_the_rate(tmp_path):
    done = ffrec(*TRAIN, "--set", "threshold=-1e38", cwd=tmp_path)
    assert done.returncode == 1
    assert "is not finite at update 1: mend threshold or sharpness" in done.stderr
    assert "rate" not in done.stderr
    assert "checkpoint" not in done.stderr  # there is none


def test_a_unit_counts_as_on_if_it_is_in_any_case():
    h = torch.tensor([[[0.0, 0.0, 1.0, 0.0]], [[0.0, 2.0, 0.0, 0.0]]])
    assert share_on([h, torch.zeros(2, 1, 3)]) == [0.5, 0.0]
    assert [warning.split(":")[0] for warning in dead([0.5, 0.0])] == ["hidden layer 2"]


def test_only_a_loss_far_above_guessing_is_saturated():
    assert saturated([0.69, 100.0]) == []
    assert len(saturated([1001.0, 0.1])) == 1


def test_guessing_is_the_most_frequent_class():
    found = {"confusion": [[0, 60], [0, 40]], "images": 100, "error_softmax": 40.0}
    assert guessed(found, "test") == [
        "test: an error of 40.00 % by softmax is no better than guessing (40.00 %)"
    ]
    assert guessed(found | {"error_softmax": 30.0}, "test") == []
    assert guessed_text(16.9, 17.0, "test") != []
    assert guessed_text(9.0, 17.0, "test") == []

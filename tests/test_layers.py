"""What each layer contributes to an answer: against a plain sum, and from the command line."""

import json
import shutil

import pytest
import torch
from commands import assert_refused, ffrec

from ffrec.evaluation.images import evaluate_images
from ffrec.evaluation.layers import layer_scores


def wrong(scores, truth):
    return 100 * (scores.argmax(1) != truth).double().mean().item()


def test_scores_of_a_layer_are_its_goodness_averaged_over_the_window(answering):
    network, images, truth = answering
    every, encoding = torch.arange(4).expand(40, -1), network.encode(images.batch(slice(None)))
    steps = [*network.steps(encoding, every, 5)]
    first, last = network.window
    assert 1 < first < last  # so that the window leaves out some
    found = layer_scores(network, images)
    assert found.shape == (len(network.levels), 40, 4)
    for level in network.levels:
        mean = sum(network.label_score(level, step, every) for step in steps[first - 1 : last])
        torch.testing.assert_close(found[level - 1], mean / (last - first + 1))
    predicted = found[[level - 1 for level in network.scored]].sum(0)
    assert wrong(predicted, truth) == pytest.approx(evaluate_images(network, images, truth)["error_goodness"])


@pytest.fixture(scope="module")
def measured(small_runs, tmp_path_factory):
    """A copy of the runs, measured, and one whose second layer alone predicts."""
    folder = tmp_path_factory.mktemp("layers") / "runs"
    shutil.copytree(small_runs, folder)
    trained = ("train", "supervised-digits", "--set", "hidden=[30,20]", "--set", "epochs=2", "--out", "upper")
    assert ffrec(*trained, cwd=folder).returncode == 0
    done = ffrec("layers", "r0", "r1", "upper", "all", "--json", cwd=folder)
    assert done.returncode == 0, done.stderr
    return folder, json.loads(done.stdout)["runs"]


def test_the_command_agrees_with_evaluate(measured):
    folder, (first, _, upper, everything) = measured
    assert json.loads((folder / "r0" / "layers.json").read_text()) == first
    assert "validation" not in everything
    for run, found in (("r0", first), ("upper", upper), ("all", everything)):
        result = json.loads((folder / run / "result.json").read_text())
        for part in {"validation", "test"} & found.keys():
            assert found[part]["error_goodness"] == pytest.approx(result[part]["error_goodness"])
            assert found[part]["alone"][0] == found[part]["up_to"][0]
    assert first["predict"] == [1, 2]
    assert first["test"]["up_to"][1] == pytest.approx(first["test"]["error_goodness"])
    assert upper["predict"] == [2]
    assert upper["test"]["alone"][1] == pytest.approx(upper["test"]["error_goodness"])
    assert upper["test"]["up_to"][1] != upper["test"]["alone"][1]


def test_force_trains_again_where_layers_were_measured(measured, tmp_path):
    shutil.copytree(measured[0] / "upper", tmp_path / "upper")
    again = ("train", "supervised-digits", "--set", "hidden=[30,20]", "--set", "epochs=1", "--out", "upper")
    assert ffrec(*again, "--force", cwd=tmp_path).returncode == 0
    assert not (tmp_path / "upper" / "layers.json").exists()


def test_tables_go_into_a_file_from_what_the_runs_hold(measured):
    folder, (first, second, upper, _) = measured
    docs = folder / "docs.md"
    docs.write_text("before\n<!-- layers -->\nstale\n<!-- /layers -->\nafter\n")
    done = ffrec("layers", "r0", "r1", "upper", "--into", "docs.md", cwd=folder)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    rows = [line.strip("| ").split(" | ") for line in docs.read_text().splitlines() if " | test | " in line]
    assert [row[2] for row in rows] == ["1*", "2*", "1", "2*"]
    for place in (0, 1):
        for column, key in ((3, "alone"), (4, "up_to")):
            errors = torch.tensor([one["test"][key][place] for one in (first, second)], dtype=torch.float64)
            assert rows[place][column] == f"{errors.mean():.2f} ± {errors.std():.2f}"
    assert rows[3][5] == f"{upper['test']['error_goodness']:.2f}"
    assert [len(row) > 5 and row[5] != "" for row in rows] == [False, True, False, True]


def test_a_mistake_is_one_line(measured):
    folder, _ = measured
    assert_refused(ffrec("layers", "bp", cwd=folder), "goodness scores labels", "ffrec evaluate")
    assert_refused(ffrec("layers", "text", cwd=folder), "is a run on a text", "ffrec perplexity")
    assert_refused(ffrec("layers", "ff", "--into", "d.md", cwd=folder), "has no layers.json")
    refused = ffrec("layers", "r0", "--into", "d.md", "--device", "cpu", cwd=folder)
    assert_refused(refused, "found --device")

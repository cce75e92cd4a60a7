"""How sure a run may be: what it saves and refuses, by hand, by property, and from the command line."""

import json
import shutil

import numpy as np
import pytest
import torch
from commands import assert_refused, ffrec

import corpora
import ffrec as package
from ffrec.config import RecurrentConfig
from ffrec.data.images import Images
from ffrec.evaluation.calibration import class_scores, expected_calibration_error, reliability
from ffrec.evaluation.decisions import (
    best_of_first,
    early_exit,
    first_labels,
    leads,
    refuse,
    responses,
    risk_coverage,
    thresholds,
)
from ffrec.evaluation.images import evaluate_images
from ffrec.networks.recurrent import Recurrent
from ffrec.networks.stopping import stop_early


def test_bins_hold_their_cases_mean_confidence_and_share_right():
    proba = torch.tensor([[0.6, 0.4], [0.4, 0.6], [0.9, 0.1], [0.95, 0.05], [1.0, 0.0]])
    labels = torch.tensor([0, 0, 0, 1, 0])
    low, high = reliability(proba, labels, bins=5)
    assert (low.cases, high.cases) == (2, 3)  # 0.6 is the upper edge of its bin
    assert (low.confidence, low.right) == (pytest.approx(0.6), 0.5)
    assert (high.confidence, high.right) == (pytest.approx(2.85 / 3), pytest.approx(2 / 3))
    expected = (2 * 0.1 + 3 * (2.85 / 3 - 2 / 3)) / 5
    assert expected_calibration_error(proba, labels, 5) == pytest.approx(expected)


def test_risk_against_coverage_by_hand():
    confidence, wrong = torch.tensor([0.5, 0.9, 0.7, 0.8]), torch.tensor([True, False, True, False])
    assert risk_coverage(confidence, wrong).tolist() == pytest.approx([0, 0, 1 / 3, 2 / 4])


def test_cases_as_sure_as_each_other_share_their_errors():
    confidence = torch.tensor([1.0, 0.5, 1.0, 0.5])
    for wrong in ([True, False, False, True], [False, True, True, False]):
        found = risk_coverage(confidence, torch.tensor(wrong))
        assert found.tolist() == pytest.approx([0.5, 0.5, 0.5, 0.5])


def test_refusing_by_a_threshold():
    confidence, wrong = torch.tensor([0.1, 0.2, 0.3, 0.4]), torch.tensor([True, True, False, True])
    assert refuse(confidence, wrong, 0.0) == (0.0, 0.75)
    assert refuse(confidence, wrong, 0.2) == (0.25, pytest.approx(2 / 3))  # what is at it is kept
    assert refuse(confidence, wrong, 0.5) == (1.0, None)


def test_thresholds_have_their_share_below():
    assert thresholds(torch.arange(11.0), (0.0, 0.1, 0.5, 1.0)) == pytest.approx([0, 1, 5, 10])


HISTORY = torch.tensor([[[3.0, 1, 0], [4.0, 5, 0]], [[3.0, 1, 0], [8.0, 5, 0]], [[0.0, 9, 0], [0.0, 0, 0]]])


def test_leads_are_of_the_mean_so_far():
    best, lead = leads(HISTORY)
    assert best.tolist() == [[0, 1], [0, 0], [1, 0]]
    assert lead.flatten().tolist() == pytest.approx([2, 1, 2, 1, 11 / 3 - 2, 12 / 3 - 10 / 3])


@pytest.mark.parametrize(
    ("margin", "labels", "spent"),
    [
        (0.0, [0, 1], [1, 1]),
        (1.5, [0, 0], [1, 3]),  # the second is never ahead by that much, and takes them all
        (2.0, [1, 0], [3, 3]),  # ahead by as much as the margin is not by more
    ],
)
def test_an_image_stops_at_its_first_lead_above_the_margin(margin, labels, spent):
    found = early_exit(HISTORY, margin)
    assert [part.tolist() for part in found] == [labels, spent]


def test_an_image_that_stops_stays_stopped():
    history = torch.tensor([[[0.0, 5]], [[0.0, -5]], [[9.0, 0]]])  # leads 5, 0, 3
    assert [part.tolist() for part in early_exit(history, 4.0)] == [[1], [1]]


def test_responses_are_what_the_network_says(answering):
    network, images, truth = answering
    found = responses(network, images, truth)
    torch.testing.assert_close(found.scores, class_scores(network, images.batch(slice(None))))
    assert found.history.shape == (network.window[1], 40, 4)
    assert torch.equal(found.logits, network.logits(network.encode(images.batch(slice(None)))))


@pytest.mark.parametrize("count", [1, 2, 3, 4])
def test_first_labels_are_what_evaluation_with_candidates_answers(answering, count):
    network, images, truth = answering
    found = responses(network, images, truth)
    chosen = first_labels(found.logits, found.scores, count)
    expected = evaluate_images(network, images, truth, count)["error_goodness"]
    assert 100 * (chosen != truth).float().mean().item() == pytest.approx(expected)
    assert torch.equal(best_of_first(network, images, count), chosen)


@pytest.mark.parametrize("update", ["synchronous", "alternating"])
@pytest.mark.parametrize("quantile", [0.3, 0.8])
def test_iterations_that_really_stop_answer_the_same(generator, update, quantile):
    config = RecurrentConfig(hidden=(9, 7, 8), update=update, damping=0.4, window=(2, 5))
    network = Recurrent(config, 12, 4, generator).double()
    images = Images(torch.randint(256, (30, 3, 4), generator=generator, dtype=torch.uint8))
    rows = images.batch(slice(None)).double()
    every = torch.arange(4).expand(30, -1)
    steps = network.steps(network.encode(rows), every, 5)
    history = torch.stack([network.scores(step, every) for step in steps])[1:]
    margin = float(leads(history)[1][:-1].quantile(quantile))
    expected = early_exit(history, margin)
    assert len(expected[1].unique()) > 1
    for found, wanted in zip(stop_early(network, rows, margin), expected, strict=True):
        assert torch.equal(found, wanted)


@pytest.mark.parametrize("margin", [-float("inf"), float("inf")])
def test_all_stop_at_once_or_never(answering, margin):
    network, images, truth = answering
    history = responses(network, images, truth).history[network.window[0] - 1 :]
    expected = early_exit(history, margin)
    for found, wanted in zip(stop_early(network, images.batch(slice(None)), margin), expected, strict=True):
        assert torch.equal(found, wanted)


@pytest.fixture(scope="module")
def measured(small_runs, tmp_path_factory):
    """A copy of the runs, measured."""
    folder = tmp_path_factory.mktemp("measured") / "runs"
    shutil.copytree(small_runs, folder)
    done = ffrec("confidence", "r0", "r1", "--json", cwd=folder)
    assert (done.returncode, done.stderr) == (0, "")
    return folder, json.loads(done.stdout)["runs"]


def test_the_command_agrees_with_evaluate_and_with_the_model(measured):
    folder, (found, _) = measured
    assert json.loads((folder / "r0" / "confidence.json").read_text()) == found
    assert (folder / "r0" / "pictures" / "confidence.png").is_file()
    evaluated = json.loads((folder / "r0" / "result.json").read_text())["test"]
    of = found["probabilities"]
    assert of["predict_proba"]["error"] == pytest.approx(evaluated["error_goodness"])
    assert of["softmax"]["error"] == pytest.approx(evaluated["error_softmax"])
    model, test = package.load(folder / "r0"), corpora.load_images("digits", None).test
    assert of["predict_proba"]["temperature"] == model.calibration.temperature
    proba, labels = torch.from_numpy(model.predict_proba(test.images)), test.labels
    wanted = package.expected_calibration_error(proba, labels)
    assert of["predict_proba"]["expected_calibration_error"] == pytest.approx(100 * wanted)
    wrong = proba.argmax(1) != labels
    area = 100 * float(risk_coverage(proba.amax(1), wrong).mean())
    assert of["predict_proba"]["area"] == pytest.approx(area)
    assert of["predict_proba"]["best_area"] <= area
    assert sum(b["cases"] for b in of["predict_proba"]["bins"]) == found["images"] == len(labels)


def test_the_first_labels_cost_what_they_say(measured):
    _, (found, _) = measured
    tried = found["candidates"]
    assert [one["labels"] for one in tried] == [1, 2, 3, 5, 10]
    assert [one["label_iterations"] for one in tried] == [0, 10, 15, 25, 50]
    assert tried[0]["error"] == found["probabilities"]["softmax"]["error"]
    assert tried[-1]["error"] == found["probabilities"]["predict_proba"]["error"]
    assert all(one["milliseconds"] > 0 for one in tried)


def test_early_exits_run_from_the_windows_first_iteration_to_its_last(measured):
    folder, (found, _) = measured
    exits = found["early_exit"]
    spent = [one["iterations"] for one in exits]
    assert (spent[0], spent[-1]) == (3.0, 5.0)
    assert exits[0]["margin"] is exits[-1]["margin"] is None  # whatever the leads of these images are
    assert spent == sorted(spent)
    assert exits[-1]["error"] == found["probabilities"]["predict_proba"]["error"]
    model, data = package.load(folder / "r0"), corpora.load_images("digits", None)
    known, new = (
        torch.from_numpy(model.goodness(part.images)).transpose(0, 1)[2:5]
        for part in (data.validation, data.test)
    )
    assert exits[4]["share"] == 10
    margin = exits[4]["margin"]
    assert (leads(known)[1][0] < margin).double().mean() == pytest.approx(0.1, abs=1 / len(known[0]))
    labels, iterations = early_exit(new, margin)
    assert exits[4]["error"] == pytest.approx(100 * (labels != data.test.labels).double().mean().item())
    assert spent[4] == pytest.approx(2 + iterations.double().mean().item())


def test_refusals_are_by_thresholds_of_validation_images(measured):
    folder, (found, _) = measured
    model, data = package.load(folder / "r0"), corpora.load_images("digits", None)
    at = {one["share"]: one for one in found["rejection"]["at"]}
    assert at[0]["refused"] == 0
    assert at[0]["error"] == pytest.approx(at[0]["by_rank"])
    assert at[0]["error"] == pytest.approx(found["probabilities"]["predict_proba"]["error"])
    known = model.predict_proba(data.validation.images).max(1)
    assert (known < at[10]["threshold"]).mean() == pytest.approx(0.1, abs=1 / len(known))
    proba = model.predict_proba(data.test.images)
    kept = proba.max(1) >= at[10]["threshold"]
    assert at[10]["refused"] == pytest.approx(100 * (1 - kept.mean()))
    wrong = proba.argmax(1) != data.test.labels.numpy()
    assert at[10]["error"] == pytest.approx(100 * wrong[kept].mean())
    surest = np.argsort(-proba.max(1), kind="stable")[: len(wrong) - round(0.1 * len(wrong))]
    assert at[10]["by_rank"] == pytest.approx(100 * wrong[surest].mean())
    curve = found["rejection"]["curve"]
    assert curve["refused"][50] == pytest.approx(10)
    assert curve["error"][50] == pytest.approx(at[10]["by_rank"])


def test_what_has_learnt_from_validation_images_says_so(measured):
    folder, _ = measured
    done = ffrec("confidence", "all", cwd=folder)
    assert done.returncode == 0, done.stderr
    found = json.loads((folder / "all" / "confidence.json").read_text())
    train = len(corpora.load_images("digits", None).joined().train.labels)
    assert found["chosen_on"] == {"part": "training", "images": -(-train // 10)}
    assert "training images, which the run has learnt from" in done.stdout


def test_a_missing_temperature_is_fitted_on_validation_images(measured, tmp_path):
    folder, (before, _) = tmp_path / "runs", measured[1]
    shutil.copytree(measured[0], folder)
    (folder / "r0" / "calibration.json").unlink()
    found = json.loads(ffrec("confidence", "r0", "--json", cwd=folder).stdout)["runs"][0]
    old, new = (each["probabilities"]["predict_proba"] for each in (before, found))
    assert new["temperature"] == pytest.approx(old["temperature"], rel=1e-4)
    assert new["fitted_on"] == "validation"


def test_networks_without_iterations_or_goodness_have_what_is_left(measured):
    folder, _ = measured
    done = ffrec("confidence", "ff", "bp", "--json", cwd=folder)
    assert done.returncode == 0, done.stderr
    ff, bp = json.loads(done.stdout)["runs"]
    assert [one["label_iterations"] for one in ff["candidates"]] == [0, 2, 3, 5, 10]
    assert "early_exit" not in ff
    assert "candidates" not in bp
    assert bp["probabilities"]["predict_proba"]["error"] == bp["probabilities"]["softmax"]["error"]
    assert "labels tried" in ffrec("confidence", "ff", cwd=folder).stdout
    assert "labels tried" not in ffrec("confidence", "bp", cwd=folder).stdout


def test_tables_go_into_a_file_from_what_the_runs_hold(measured):
    folder, found = measured
    docs = folder / "docs.md"
    docs.write_text("before\n<!-- confidence -->\nstale\n<!-- /confidence -->\nafter\n")
    done = ffrec("confidence", "r0", "r1", "--into", "docs.md", cwd=folder)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    written = docs.read_text()
    assert written.startswith("before\n")
    assert written.endswith("after\n")
    assert "stale" not in written
    errors = [one["probabilities"]["softmax"]["error"] for one in found]
    assert (
        f"| softmax | 1.0000 ± 0.0000 | nothing | {np.mean(errors):.2f} ± {np.std(errors, ddof=1):.2f} |"
        in (written)
    )
    assert "(seeds 0, 1)" in written


def test_a_mistake_is_one_line(measured, tmp_path):
    folder = tmp_path / "runs"
    shutil.copytree(measured[0], folder)
    assert_refused(ffrec("confidence", "text", cwd=folder), "is a run on a text", "ffrec perplexity")
    assert_refused(ffrec("confidence", "nothing", cwd=folder), "not a run folder")
    assert_refused(ffrec("confidence", "r0", "r0", "--into", "d.md", cwd=folder), "another one of seed 0")
    (folder / "ff" / "confidence.json").unlink(missing_ok=True)
    assert_refused(ffrec("confidence", "ff", "--into", "d.md", cwd=folder), "has no confidence.json")
    assert_refused(ffrec("confidence", "r0", "--into", "d.md", "--json", cwd=folder), "found --json")
    lines = (folder / "r0" / "metrics.jsonl").read_text().splitlines()
    (folder / "r0" / "metrics.jsonl").write_text(lines[0] + "\n")
    assert_refused(ffrec("confidence", "r0", "--into", "d.md", cwd=folder), "epoch 6", "epoch 1")
    (folder / "r1" / "confidence.json").write_text("{}")
    assert_refused(ffrec("confidence", "r1", "--into", "d.md", cwd=folder), "damaged")


def found_together(run) -> float:
    return json.loads((run / "result.json").read_text())["test"]["error_together"]


def test_a_model_tries_the_first_labels_alone(measured):
    folder, (found, _) = measured
    model, test = package.load(folder / "r0"), corpora.load_images("digits", None).test
    for one in found["candidates"]:
        wrong = model.predict(test.images, candidates=one["labels"]) != test.labels.numpy()
        assert 100 * wrong.mean() == pytest.approx(one["error"])
    for count in (0, 11):
        with pytest.raises(ValueError, match="candidates: expected 1 to 10"):
            model.predict(test.images, candidates=count)
    together = model.predict(test.images, together=True) != test.labels.numpy()
    assert 100 * together.mean() == pytest.approx(found_together(folder / "r0"))
    one = model.predict(test.images, candidates=1, together=True)
    assert (one == model.predict(test.images, candidates=1)).all()
    with pytest.raises(ValueError, match="together: no goodness scores labels"):
        package.load(folder / "bp").predict(test.images, together=True)
    with pytest.raises(ValueError, match="candidates: expected none"):
        package.load(folder / "bp").predict(test.images, candidates=2)

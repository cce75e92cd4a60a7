"""Several views of an image: by hand, against a plain average, and from the command line."""

import json
import shutil

import pytest
import torch
from commands import assert_refused, ffrec

import corpora
import ffrec as package
from ffrec.data.images import Images
from ffrec.evaluation.images import evaluate_images
from ffrec.evaluation.views import View, best_of_views, rings, seen_in_views

TALL = torch.tensor([[[1, 2, 3], [4, 5, 6]]])


@pytest.mark.parametrize(
    ("view", "seen"),
    [
        (View(), [[1, 2, 3], [4, 5, 6]]),
        (View(mirrored=True), [[3, 2, 1], [6, 5, 4]]),
        (View(1, 0), [[4, 5, 6], [0, 0, 0]]),
        (View(0, -1), [[0, 1, 2], [0, 4, 5]]),
        (View(-1, 1, mirrored=True), [[0, 0, 0], [2, 1, 0]]),
    ],
)
def test_a_view_is_the_image_mirrored_and_then_moved(view, seen):
    assert view.of(TALL).tolist() == [seen]


def test_a_view_keeps_colours_and_the_order_of_the_pixels():
    colours = torch.arange(24, dtype=torch.uint8).view(1, 2, 4, 3)
    images = Images(colours, permute=5)
    wanted = Images(colours.flip(2), permute=5).batch(slice(None))
    assert torch.equal(images.seen(View(mirrored=True).of).batch(slice(None)), wanted)
    assert not torch.equal(images.batch(slice(None)), wanted)  # it still sees what it saw


@pytest.mark.parametrize(("pixels", "mirror", "counts"), [(0, False, [1]), (2, False, [1, 8, 16])])
def test_rings_hold_every_shift_once(pixels, mirror, counts):
    found = rings(pixels, mirror)
    assert [len(ring) for ring in found] == counts
    assert len({view for ring in found for view in ring}) == (2 * pixels + 1) ** 2
    assert found[0] == [View()]
    for far, ring in enumerate(found):
        assert {max(abs(view.up), abs(view.left)) for view in ring} == {far}


def test_mirror_images_come_before_shifts():
    found = rings(1, True)
    assert [len(ring) for ring in found] == [1, 1, 16]
    assert found[1] == [View(mirrored=True)]
    assert sum(view.mirrored for ring in found for view in ring) == 9


def test_goodness_and_log_probabilities_are_averaged(answering):
    network, images, truth = answering
    *_, (count, found) = seen_in_views(network, images, truth, 1, True)
    logs, goodness = torch.zeros(40, 4), torch.zeros(40, 4)
    every, padded = torch.arange(4).expand(40, -1), torch.zeros(40, 5, 6)
    for mirrored in (False, True):
        padded[:, 1:4, 1:5] = images.images.flip(2) if mirrored else images.images
        for top in range(3):
            for left in range(3):
                encoding = network.encode(padded[:, top : top + 3, left : left + 4].flatten(1))
                logs += network.logits(encoding).softmax(1).log() / 18
                steps = [network.scores(step, every) for step in network.steps(encoding, every, 5)]
                first, last = network.window
                goodness += sum(steps[first - 1 : last]) / (18 * (last - first + 1))
    assert count == 18
    torch.testing.assert_close(found.logits, logs)
    torch.testing.assert_close(found.scores, goodness)
    assert torch.equal(best_of_views(network, images, 1, True), goodness.argmax(1))
    both = (goodness * network.config.sharpness + logs).argmax(1)
    assert torch.equal(best_of_views(network, images, 1, True, together=True), both)
    assert not torch.equal(both, goodness.argmax(1))


def test_one_view_is_what_evaluation_says(answering):
    network, images, truth = answering
    ((count, found),) = seen_in_views(network, images, truth, 0, False)
    errors = evaluate_images(network, images, truth)
    assert count == 1
    assert 100 * (found.scores.argmax(1) != truth).float().mean().item() == pytest.approx(
        errors["error_goodness"]
    )
    assert 100 * (found.logits.argmax(1) != truth).float().mean().item() == pytest.approx(
        errors["error_softmax"]
    )
    for wrong in (-1, 1.5, "1", True):
        with pytest.raises(ValueError, match="views: expected a distance of 0, 1 or more pixels"):
            best_of_views(network, images, wrong, False)


@pytest.fixture(scope="module")
def measured(small_runs, tmp_path_factory):
    """A copy of the runs, measured."""
    folder = tmp_path_factory.mktemp("views") / "runs"
    shutil.copytree(small_runs, folder)
    done = ffrec("views", "r0", "r1", "--json", cwd=folder)
    assert done.returncode == 0
    harm = "it has not learnt shifted images, and shifts may do harm"
    assert done.stderr.splitlines() == [f"r0: {harm}", f"r1: {harm}"]
    return folder, json.loads(done.stdout)["runs"]


def test_the_command_agrees_with_evaluate_and_with_the_model(measured):
    folder, (found, _) = measured
    assert json.loads((folder / "r0" / "views.json").read_text()) == found
    evaluated = json.loads((folder / "r0" / "result.json").read_text())
    errors = ("error_goodness", "error_softmax", "error_together")
    for part in ("validation", "test"):
        one, nine = found[part]
        assert (one["views"], nine["views"]) == (1, 9)
        assert [one[error] for error in errors] == pytest.approx([evaluated[part][error] for error in errors])
        assert 3 * one["milliseconds"] < nine["milliseconds"]
    model, test = package.load(folder / "r0"), corpora.load_images("digits", None).test
    labels = test.labels.numpy()
    assert 100 * (model.predict(test.images, views=1) != labels).mean() == pytest.approx(
        nine["error_goodness"]
    )
    both = model.predict(test.images, views=1, together=True)
    assert 100 * (both != labels).mean() == pytest.approx(nine["error_together"])
    assert (model.predict(test.images, views=0) == model.predict(test.images)).all()
    with pytest.raises(ValueError, match="each view tries all labels, found views too"):
        model.predict(test.images, candidates=2, views=1)


def test_what_has_learnt_from_mirror_images_sees_them_and_a_softmax_alone_has_no_goodness(measured):
    folder, _ = measured
    trained = ("train", "supervised-digits", "--set", "mirror=true", "--set", "epochs=1", "--out", "mirrored")
    assert ffrec(*trained, cwd=folder).returncode == 0
    done = ffrec("views", "mirrored", "bp", "all", "--pixels", "2", "--json", cwd=folder)
    assert done.returncode == 0, done.stderr
    mirrored, bp, everything = json.loads(done.stdout)["runs"]
    assert [seen["views"] for seen in mirrored["test"]] == [1, 2, 18, 50]
    assert [seen["views"] for seen in bp["test"]] == [1, 9, 25]
    assert "error_goodness" not in bp["test"][0]
    assert "validation" not in everything
    model, test = package.load(folder / "mirrored"), corpora.load_images("digits", None).test
    wrong = model.predict(test.images, views=2) != test.labels.numpy()
    assert 100 * wrong.mean() == pytest.approx(mirrored["test"][-1]["error_goodness"])
    with pytest.raises(ValueError, match="together: no goodness scores labels"):
        package.load(folder / "bp").predict(test.images, views=1, together=True)


def test_tables_go_into_a_file_from_what_the_runs_hold(measured):
    folder, found = measured
    docs = folder / "docs.md"
    docs.write_text("before\n<!-- views -->\nstale\n<!-- /views -->\nafter\n")
    done = ffrec("views", "r0", "r1", "--into", "docs.md", cwd=folder)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    rows = [line.split(" | ") for line in docs.read_text().splitlines() if " | test | " in line]
    assert [row[2] for row in rows] == ["1", "9"]
    errors = torch.tensor([one["test"][1]["error_softmax"] for one in found], dtype=torch.float64)
    assert rows[1][4] == f"{errors.mean():.2f} ± {errors.std():.2f}"
    assert "(seeds 0, 1)" in rows[0][0]


def test_a_mistake_is_one_line(measured):
    folder, _ = measured
    assert_refused(ffrec("views", "text", cwd=folder), "is a run on a text", "ffrec perplexity")
    assert_refused(ffrec("views", "ff", "--into", "d.md", cwd=folder), "has no views.json")
    assert_refused(ffrec("views", "r0", "--into", "d.md", "--pixels", "1", cwd=folder), "found --pixels")
    assert_refused(ffrec("views", "r0", "--pixels", "5", cwd=folder), "--pixels")


def test_shifts_may_do_harm_only_where_there_are_some_and_none_were_learnt(small_runs, tmp_path):
    run = tmp_path / "run"
    shutil.copytree(small_runs / "r0", run)
    assert ffrec("views", "run", "--pixels", "0", cwd=tmp_path).stderr == ""
    config = json.loads((run / "config.json").read_text())
    config["recipe"]["training"]["jitter"] = 1
    (run / "config.json").write_text(json.dumps(config))
    assert ffrec("views", "run", cwd=tmp_path).stderr == ""


def test_runs_of_one_row_have_the_same_views(measured, tmp_path):
    folder = tmp_path / "runs"
    shutil.copytree(measured[0], folder)
    found = json.loads((folder / "r1" / "views.json").read_text())
    (folder / "r1" / "views.json").write_text(json.dumps(found | {"pixels": 2}))
    refused = ffrec("views", "r0", "r1", "--into", "d.md", cwd=folder)
    assert_refused(refused, "expected seeds with the same views, found 1 and 2 pixels", "ffrec views")

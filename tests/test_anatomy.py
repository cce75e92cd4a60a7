"""`benchmarks/anatomy.py`: what layers, iterations and weights are worth in a recurrent network's answers."""

import json

import pytest
import torch
from commands import ROOT

from ffrec.reports.tables import table


@pytest.fixture
def anatomy(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    import anatomy

    return anatomy


@pytest.fixture
def drawn(generator):
    """Scores of three kinds for 4,000 images and five classes, and labels drawn with weights 2, 0.5 and 0."""
    scores = torch.randn(3, 4000, 5, generator=generator, dtype=torch.float64)
    p = (2 * scores[0] + 0.5 * scores[1]).softmax(1)
    return scores, torch.multinomial(p, 1, generator=generator).flatten()


def test_weights_make_the_most_of_every_kind_of_score(anatomy, drawn):
    """The scores' own weights are the best there are: fitted ones come close, and one kind alone does not."""
    scores, labels = drawn
    best = (2 * scores[0] + 0.5 * scores[1]).log_softmax(1)
    nats = float(torch.nn.functional.nll_loss(best, labels))
    assert nats < anatomy.weighted(scores, labels)["nats"] < 1.02 * nats
    assert anatomy.weighted(scores[:1], labels)["nats"] > 1.03 * nats


def test_an_image_is_scored_with_weights_that_others_have_fitted(anatomy, drawn):
    """A kind of score that knows the labels of one half alone is worth nothing for the other half."""
    scores, labels = drawn
    honest = anatomy.weighted(scores, labels)
    for half in (torch.arange(len(labels)) % 2 == 0, torch.arange(len(labels)) % 2 == 1):
        hint = torch.nn.functional.one_hot(labels, 5).double() * half[:, None]
        found = anatomy.weighted(torch.stack([*scores, hint]), labels)
        assert found["error"] > 0.8 * honest["error"]
    assert anatomy.weighted(scores * 7, labels)["nats"] == pytest.approx(honest["nats"], rel=1e-4)


def test_errors_of_a_run_are_those_that_it_found_itself(anatomy, small_runs):
    line = anatomy.measure(small_runs / "r0")
    found = json.loads((small_runs / "r0" / "result.json").read_text())["validation"]
    assert line["part"] == "validation"
    assert line["window"] == [3, 5]
    assert line["in_window"][-1] == pytest.approx(found["error_goodness"])
    assert line["softmax"] == pytest.approx(found["error_softmax"])
    assert line["by_layer"][-1][:5] == pytest.approx(found["error_by_iteration"])
    assert line["by_damping"]["0.3"] == line["in_window"][-1]
    assert len(line["weighted"]) == 4
    assert "weights of" in "\n".join(anatomy.tables([line]))


def test_nothing_is_fitted_to_test_images(anatomy, small_runs):
    line = anatomy.measure(small_runs / "all")
    assert line["part"] == "test"
    assert "weighted" not in line
    assert "weights of" not in "\n".join(anatomy.tables([line]))
    assert table(["damping", *line["by_damping"]], []) in "\n".join(anatomy.tables([line]))

"""Reports: the right numbers in the right rows, and pictures that show what the folder holds."""

import math
import struct

import numpy as np
import pytest
import safetensors.numpy
import torch

from ffrec import pictures, report
from ffrec.checkpoint import RunError, RunFolder
from ffrec.recipes import RECIPES, recipe
from ffrec.runs import configuration, plain

DEFAULTS = {name: plain(make()) for name, make in RECIPES.items()}
ITERATIONS, SHOWN, CLASSES, CASES = 8, 4, 10, 50


def result(run: RunFolder, goodness: float, softmax: float, seconds: float = 60.0) -> None:
    test = {"error_goodness": goodness, "error_softmax": softmax}
    seed = run.config["seed"]
    run.write_json(
        "result.json", {"test": test, "seed": seed, "device": "cpu", "seconds": seconds, "epochs": 1}
    )


@pytest.fixture
def runs(tmp_path):
    """Three seeds of one recipe, one run with overrides, one unfinished, and a folder that is no run."""
    digits = recipe("recurrent-digits")
    for seed, error in enumerate((1.0, 2.0, 4.5)):
        result(
            RunFolder.create(tmp_path / f"a{seed}", configuration(digits, seed, "fp32")),
            error,
            3.0,
            60 * seed,
        )
    other = configuration(digits.override({"epochs": 7, "hidden": [9, 8]}), 5, "fp32")
    result(RunFolder.create(tmp_path / "b", other), 6.25, 7.5)
    RunFolder.create(tmp_path / "unfinished", configuration(digits, 9, "fp32"))
    (tmp_path / "notes").mkdir()
    return tmp_path


def test_summaries_are_of_runs_only(runs):
    found = report.summaries(runs)
    assert [run.path.name for run in found] == ["a0", "a1", "a2", "b", "unfinished"]
    assert [run.result is None for run in found] == [False] * 4 + [True]
    assert report.summaries(runs / "nowhere") == []


def test_the_table_averages_seeds_and_keeps_overrides_apart(runs):
    head, _, first, second = report.results_table(report.summaries(runs), DEFAULTS).splitlines()
    std = math.sqrt(((1 - 2.5) ** 2 + (2 - 2.5) ** 2 + (4.5 - 2.5) ** 2) / 2)
    assert f"| 2.50 ± {std:.2f} | 3.00 ± 0.00 |" in first
    assert "`ffrec train recurrent-digits --seed S`" in first
    assert "| 3 (0, 1, 2) |" in first
    assert "| 1.0 | cpu, torch " in first  # minutes: mean of 0, 1 and 2
    assert "--set hidden=[9,8] --set epochs=7" in second
    assert "| 9 × 8 | 7 | 1 (5) | 6.25 | 7.50 |" in second
    assert len(head.split("|")) == len(first.split("|")) == len(second.split("|"))


def test_what_to_expect_is_what_unchanged_recipes_reached(runs):
    found = report.expected(report.summaries(runs), DEFAULTS)
    assert list(found) == ["recurrent-digits"]
    assert found["recurrent-digits"].startswith("2.50 ± 1.80 % (n = 3; cpu, torch ")


@pytest.fixture
def finished(tmp_path, generator):
    run = RunFolder.create(tmp_path / "run", configuration(recipe("recurrent-digits"), 0, "fp32"))
    for epoch in (1, 2):
        validation = {"error_goodness": 9.0 / epoch, "error_softmax": 8.0 / epoch}
        run.append_metrics({"epoch": epoch, "pairwise_accuracy": [0.8, 0.9], "validation": validation})
    run.save(1, {"layers.0.weights.0": torch.randn(64, 120, generator=generator)}, {})
    drawn = np.random.default_rng(0)
    kept = {
        "images": drawn.integers(0, 17, (SHOWN, 8, 8), dtype=np.uint8),
        "truth": np.array([3, 1, 4, 1]),
        "index": np.arange(SHOWN),
        "goodness": drawn.random((ITERATIONS, SHOWN, CLASSES), dtype=np.float32),
        "positive": 1 + drawn.random((2, CASES), dtype=np.float32),
        "negative": drawn.random((2, CASES), dtype=np.float32),
    }
    (run.path / "examples.safetensors").write_bytes(safetensors.numpy.save(kept))
    result(run, 2.0, 3.0)
    return run


def test_the_heat_map_shows_centred_goodness_and_the_right_answer(finished):
    kept = pictures.examples(finished)
    axes = pictures.heat_map(finished).axes
    for case in range(SHOWN):
        image, mind = axes[2 * case].images[0].get_array(), axes[2 * case + 1].images[0].get_array()
        assert np.array_equal(image, kept["images"][case])
        goodness = kept["goodness"][:, case]
        np.testing.assert_allclose(mind, (goodness - goodness.mean(1, keepdims=True)).T)
        judged, truth = goodness[2:5].mean(0).argmax(), kept["truth"][case]
        expected = f"{judged}" if judged == truth else f"{judged}, in truth {truth}"
        assert axes[2 * case + 1].get_title() == expected


def test_receptive_fields_are_columns_of_the_weights(finished):
    weights = finished.load()[1]["layers.0.weights.0"].numpy()
    axes = pictures.receptive_fields(finished).axes
    assert len(axes) == 100
    np.testing.assert_array_equal(axes[37].images[0].get_array(), weights[:, 37].reshape(8, 8))


def test_histograms_count_every_case(finished):
    for axes in pictures.goodness_histograms(finished).axes:
        assert sum(bar.get_height() for bar in axes.patches) == 2 * CASES
        assert axes.lines[0].get_xdata()[0] == 1.0


def test_the_learning_curve_is_the_metrics(finished):
    errors, pairs = pictures.learning_curve(finished).axes
    assert errors.lines[0].get_ydata().tolist() == [9.0, 4.5]
    assert errors.lines[1].get_ydata().tolist() == [8.0, 4.0]
    assert [line.get_ydata()[0] for line in pairs.lines] == [80.0, 90.0]


def test_every_picture_is_written_and_put_on_the_page(finished):
    paths = pictures.draw(finished)
    assert {path.stem for path in paths} == set(pictures.PICTURES)
    for path in paths:
        png = path.read_bytes()
        assert png.startswith(b"\x89PNG")
        assert min(struct.unpack(">2I", png[16:24])) > 300
    page = report.page(finished, paths).read_text()
    assert page.count("data:image/png;base64,") == len(paths)
    assert "Test error 2.00 % by goodness" in page


def test_the_page_escapes_what_it_is_told(finished):
    config = finished.config
    config["recipe"]["name"] = config["recipe"]["paper"] = "<script>alert(1)</script>"
    finished.write_json("config.json", config)
    page = report.page(finished, []).read_text()
    assert "<script>" not in page
    assert page.count("&lt;script&gt;") == 2


def test_an_unfinished_run_cannot_be_drawn(runs):
    with pytest.raises(RunError, match="train it to the end"):
        pictures.draw(RunFolder(runs / "unfinished"))

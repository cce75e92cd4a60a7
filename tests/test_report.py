"""Reports: the right numbers in the right rows, and pictures that show what the folder holds."""

import html
import itertools
import json
import math
import shlex
import shutil
import struct
from itertools import product
from pathlib import Path

import numpy as np
import pytest
import safetensors.numpy
import torch

from cli.ls import ls
from cli.options import parse_settings
from cli.report import report as report_command
from ffrec.config import ConfigError
from ffrec.learning.fields import Bands
from ffrec.recipes import RECIPES, recipe
from ffrec.reports import figures
from ffrec.reports.figures.canvas import BAD, GOOD, NothingToDraw
from ffrec.reports.figures.collapse import collapse
from ffrec.reports.figures.examples import examples
from ffrec.reports.figures.heat_map import heat_map
from ffrec.reports.figures.histograms import goodness_histograms, pair_accuracy
from ffrec.reports.figures.hybrids import hybrids
from ffrec.reports.figures.learning_curves import learning_curve, loss_curves
from ffrec.reports.figures.receptive_fields import first_layer, of_bands, receptive_fields
from ffrec.reports.groups import groups
from ffrec.reports.headline import ROWS, headline_table
from ffrec.reports.page import page
from ffrec.reports.summary import Summary, read, read_all
from ffrec.reports.tables import expected, models_table, parts_table, results_table, worth_table
from ffrec.reports.worth import BY_SOFTMAX, LEARNING, RATIO, worth
from ffrec.storage.files import RunError
from ffrec.storage.run_folder import RunFolder
from ffrec.tasks.recorded import configuration, plain

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
    found, faults = read_all(runs)
    assert [run.path.name for run in found] == ["a0", "a1", "a2", "b", "unfinished"]
    assert [run.result is None for run in found] == [False] * 4 + [True]
    assert faults == []
    assert read_all(runs / "nowhere") == ([], [])


RESULT = {"seed": 0, "device": "cpu", "seconds": 1.0, "epochs": 1}
DAMAGED = {
    "an empty configuration": ("config.json", "{}"),
    "another tool's folder": ("config.json", '{"model_type": "bert"}'),
    "a configuration that is no object": ("config.json", "[1]"),
    "a recipe that is no object": ("config.json", '{"recipe": "x", "seed": 0, "precision": "fp32"}'),
    "metrics that are no JSON": ("metrics.jsonl", "{\n"),
    "a line that is no object": ("metrics.jsonl", "3\n"),
    "a record without losses": ("metrics.jsonl", '{"epoch": 1}\n'),
    "losses that are no list": ("metrics.jsonl", '{"epoch": 1, "loss": 2, "softmax_loss": 0.5}\n'),
    "a result that is no object": ("result.json", "[]"),
    "a test that is no object": ("result.json", json.dumps(RESULT | {"test": 3})),
    "an error that is no number": ("result.json", json.dumps(RESULT | {"test": {"error_softmax": None}})),
    "baselines without perplexities": ("baselines.json", '{"unigram": {"test": 3}}'),
}


@pytest.mark.parametrize("kind", DAMAGED)
def test_a_damaged_or_foreign_folder_is_one_line_and_no_other_is_lost(runs, kind, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "300")
    name, written = DAMAGED[kind]
    (runs / "a1" / name).write_text(written)
    found, (fault,) = read_all(runs)
    assert [run.path.name for run in found] == ["a0", "a2", "b", "unfinished"]
    assert str(runs / "a1") in fault
    assert name in fault
    assert "\n" not in fault
    report_command(runs, results=True, into=None, headline=None, expected=None)
    said = capsys.readouterr()
    assert said.err == f"ffrec: skipped: {fault}\n"
    assert "| 2 (0, 2) |" in said.out
    ls(runs)
    said = capsys.readouterr()
    assert said.err == f"ffrec: skipped: {fault}\n"
    assert "4.50 %" in said.out


def test_a_text_run_needs_the_numbers_of_a_text(tmp_path):
    config = {"recipe": plain(recipe("fables")), "seed": 0, "precision": "fp32", "text": "a"}
    run = RunFolder.create(tmp_path / "run", config)
    run.write_json("result.json", RESULT | {"test": {"error_softmax": 2.0}})
    with pytest.raises(RunError, match=r"result\.json is damaged: \S+: "):
        read(run)


def test_damaged_examples_are_one_line_and_the_other_pages_are_written(runs, finished, capsys):
    (finished.path / "examples.safetensors").write_bytes(b"damaged")
    RunFolder(runs / "b").append_metrics(finished.metrics()[0])
    report_command(runs, results=False, into=None, headline=None, expected=None)
    said = capsys.readouterr()
    assert said.out == f"{runs / 'b' / 'report.html'}\n"
    assert len(said.err.splitlines()) == 1
    assert f"{finished.path / 'examples.safetensors'} is damaged" in said.err


def test_the_kind_of_a_run_is_that_of_its_network_or_its_text():
    def kind(network, **others):
        made = {"recipe": {"network": network, "training": {}}} | others
        return Summary(Path("x"), made, {}, [], None).kind

    assert kind({"window": [3, 5]}) == kind({"kind": "recurrent"}) == "images"
    assert kind({"window": 10}, text="checksum") == kind({"kind": "character"}) == "text"


def test_old_folders_answer_to_new_names():
    def setting(**training):
        config = {"recipe": {"network": {"hidden": [3]}, "training": training}}
        return Summary(Path("x"), config, {}, [], None).setting

    assert setting(awake=4, asleep=5)("wake") == setting(wake=4, sleep=5)("wake") == 4
    assert setting(awake=4, asleep=5)("sleep") == setting(wake=4, sleep=5)("sleep") == 5
    assert setting(awake=None)("wake") is None
    assert setting()("nothing") is None


def test_the_table_averages_seeds_and_keeps_overrides_apart(runs):
    head, _, first, second = results_table(read_all(runs)[0], DEFAULTS).splitlines()
    std = math.sqrt(((1 - 2.5) ** 2 + (2 - 2.5) ** 2 + (4.5 - 2.5) ** 2) / 2)
    assert f"| 2.50 ± {std:.2f} | 3.00 ± 0.00 |" in first
    assert "`ffrec train recurrent-digits --precision fp32 --seed S`" in first
    assert "| 3 (0, 1, 2) |" in first
    assert "| 1.0 | cpu, torch " in first  # minutes: mean of 0, 1 and 2
    assert "--set 'hidden=[9,8]' --set epochs=7" in second
    assert "| 9 × 8 | 1 (5) | 7 | 6.25 | 7.50 |" in second
    assert len(head.split("|")) == len(first.split("|")) == len(second.split("|"))
    assert "(9)" not in first + second  # the unfinished run's seed


def test_precisions_devices_and_unknown_recipes_are_not_averaged(tmp_path):
    digits = recipe("recurrent-digits")
    result(RunFolder.create(tmp_path / "fp32", configuration(digits, 0, "fp32")), 1.0, 1.0)
    result(RunFolder.create(tmp_path / "bf16", configuration(digits, 1, "bf16")), 2.0, 2.0)
    for error, changed in ((3.0, digits), (4.0, digits.override({"epochs": 3}))):
        config = configuration(changed, 0, "fp32")
        config["recipe"]["name"] = "no-longer-there"
        result(RunFolder.create(tmp_path / f"gone{error}", config), error, error)
    elsewhere = RunFolder.create(tmp_path / "elsewhere", configuration(digits, 2, "fp32"))
    result(elsewhere, 5.0, 5.0)
    elsewhere.write_json("result.json", elsewhere.read_json("result.json") | {"device": "cuda"})
    rows = results_table(read_all(tmp_path)[0], DEFAULTS).splitlines()[2:]
    assert len(rows) == 5
    assert not any("±" in row for row in rows)
    assert [row.count("--precision bf16") for row in rows if "| 2.00 |" in row] == [1]
    assert sum("--precision fp32" in row for row in rows) == 4
    runs = [run for run in read_all(tmp_path)[0] if run.path.name != "elsewhere"]
    assert list(expected(runs, DEFAULTS)) == ["recurrent-digits"]
    one, other = sorted(expected(runs, DEFAULTS)["recurrent-digits"].split("); "))
    assert one.startswith("1.00 % (n = 1; cpu, torch ")
    assert other.startswith("2.00 % (n = 1; cpu, torch ")
    assert other.rstrip(")").endswith(", bf16")
    assert "bf16" not in one


@pytest.mark.parametrize(
    "values",
    [
        {},
        {"hidden": [9, 8], "skip": [[0, 2]]},
        {"activity": "max", "threshold": 1.0},
        {"optimiser_options": {"betas": [0.8, 0.9]}, "rate": 1e-5, "permute": 1},
    ],
)
def test_the_command_of_a_row_makes_its_configuration(tmp_path, values):
    asked = configuration(recipe("recurrent-digits").override(values), 0, "fp32")
    result(RunFolder.create(tmp_path / "run", asked), 1.0, 1.0)
    row = results_table(read_all(tmp_path)[0], DEFAULTS).splitlines()[2]
    words = shlex.split(row.split("`")[1])
    assert words[:3] == ["ffrec", "train", "recurrent-digits"]
    found = parse_settings([after for word, after in itertools.pairwise(words) if word == "--set"])
    assert sorted(found) == sorted(values)
    assert plain(recipe("recurrent-digits").override(found)) == asked["recipe"]


def test_rows_are_in_the_order_of_recipes_and_default_settings_come_first(tmp_path):
    runs = [("supervised-digits", {}), ("recurrent-digits", {"epochs": 3}), ("recurrent-digits", {})]
    for place, (name, values) in enumerate(runs):
        asked = configuration(recipe(name).override(values), 0, "fp32")
        result(RunFolder.create(tmp_path / f"{place}", asked), 1.0, 1.0)
    rows = results_table(read_all(tmp_path)[0], DEFAULTS).splitlines()[2:]
    assert [row.split("`")[1] for row in rows] == [
        "ffrec train recurrent-digits --precision fp32 --seed S",
        "ffrec train recurrent-digits --set epochs=3 --precision fp32 --seed S",
        "ffrec train supervised-digits --precision fp32 --seed S",
    ]


@pytest.fixture
def headed(tmp_path):
    """A run of every recipe of the headline with one seed, and a second seed of the first."""
    folder = tmp_path / "headed"
    made = []
    for wanted in ROWS:
        held = configuration(recipe(wanted.recipe), 0, "bf16")
        run = RunFolder.create(folder / wanted.recipe, held | ({"text": "a"} if wanted.beside else {}))
        if wanted.beside:
            both = {part: {"perplexity": 4.0} for part in ("validation", "test")}
            others = {"unigram": both, "Kneser-Ney of order 6": both}
            better = {part: {"perplexity": 3.5} for part in both}
            counts = {"with_counts": {"model": "Kneser-Ney of order 6", "share": 0.5} | better}
            run.write_json("result.json", RESULT | both | {"updates": 3, "baselines": others} | counts)
        else:
            result(run, 2.0, 9.0, 120.0)
        made.append(run)
    made[0].write_json("environment.json", made[0].environment | {"processor": "Abacus 9000"})
    second = RunFolder.create(folder / "second", configuration(recipe(ROWS[0].recipe), 1, "bf16"))
    result(second, 4.0, 9.0, 240.0)
    return folder


def test_the_headline_has_its_rows_from_the_run_folders(headed, tmp_path):
    file = tmp_path / "README.md"
    file.write_text("before\n<!-- headline -->\n<!-- /headline -->\nafter\n")
    report_command(headed, results=False, into=None, headline=file, expected=None)
    before, _, head, _, *rows, _, after = file.read_text().splitlines()
    assert (before, after, len(rows)) == ("before", "after", len(ROWS))
    assert head.split(" | ")[:2] == ["| task", "paper"]
    first = rows[0].strip("| ").split(" | ")
    assert first[1] == DEFAULTS[ROWS[0].recipe]["paper"]
    assert first[2] == f"error 3.00 ± {math.sqrt(2):.2f} % (2 seeds)"
    assert first[3] == f"`ffrec train {ROWS[0].recipe} --precision bf16 --seed S`"
    assert first[4] == "3.0"
    assert first[5].startswith("cpu, torch ")
    assert first[5].endswith(", Abacus 9000")
    assert (
        "perplexity 4.00 (1 seed); Kneser-Ney of order 6: 4.00; mixed with Kneser-Ney of order 6: 3.50 |"
        in rows[-1]
    )
    text = RunFolder.open(headed / ROWS[-1].recipe)
    text.write_json(
        "result.json", {k: v for k, v in text.read_json("result.json").items() if k != "with_counts"}
    )
    assert "; Kneser-Ney of order 6: 4.00 |" in headline_table(read_all(headed)[0], DEFAULTS)
    assert all("(1 seed)" in row for row in rows[1:])


def test_the_headline_takes_the_runs_with_most_seeds(headed):
    alone = configuration(recipe(ROWS[0].recipe), 0, "fp32")
    result(RunFolder.create(headed / "alone", alone), 1.0, 1.0)
    assert "error 3.00 ± 1.41 % (2 seeds)" in headline_table(read_all(headed)[0], DEFAULTS)
    for seed in (1, 2):
        more = configuration(recipe(ROWS[0].recipe), seed, "fp32")
        result(RunFolder.create(headed / f"more{seed}", more), 1.0, 1.0)
    assert "error 1.00 ± 0.00 % (3 seeds)" in headline_table(read_all(headed)[0], DEFAULTS)


def test_a_headline_without_a_recipes_runs_names_it(headed):
    shutil.rmtree(headed / ROWS[1].recipe)
    changed = configuration(recipe(ROWS[1].recipe).override({"epochs": 3}), 0, "fp32")
    result(RunFolder.create(headed / "changed", changed), 1.0, 1.0)  # other settings do not count
    (headed / ROWS[3].recipe / "result.json").unlink()
    with pytest.raises(RunError, match=f"of {ROWS[1].recipe}, {ROWS[3].recipe}: found none"):
        headline_table(read_all(headed)[0], DEFAULTS)


def test_how_often_a_run_was_validated_is_no_part_of_its_command(tmp_path):
    asked = configuration(recipe("recurrent-digits").override({"validate_every": 7}), 0, "fp32")
    result(RunFolder.create(tmp_path / "run", asked), 1.0, 1.0)
    assert "`ffrec train recurrent-digits --precision fp32 --seed S`" in results_table(
        read_all(tmp_path)[0], DEFAULTS
    )


def put_into(runs, file):
    report_command(runs, results=False, into=file, headline=None, expected=None)


def test_the_table_replaces_what_stands_between_the_marker_lines_only(runs, tmp_path):
    before = "# é, ends of lines as on Windows\r\nthe table follows <!-- results -->\r\n"
    after = "<!-- /results -->\r\nafter\r\n\r\n"
    for old in ("", "old\r\nrows\r\n"):
        file = tmp_path / "README.md"
        file.write_bytes(f"{before}<!-- results -->\r\n{old}{after}".encode())
        put_into(runs, file)
        table = results_table(read_all(runs)[0], DEFAULTS)
        assert file.read_bytes() == f"{before}<!-- results -->\r\n{table}\n{after}".encode()
        put_into(runs, file)  # again: nothing changes
        assert file.read_bytes() == f"{before}<!-- results -->\r\n{table}\n{after}".encode()


@pytest.mark.parametrize(
    "text",
    [
        "none",
        "<!-- results -->\nno end\n",
        "in prose: <!-- results --> and <!-- /results -->\n",
        "<!-- /results -->\nthe wrong way round\n<!-- results -->\n",
    ],
)
def test_a_file_without_marker_lines_is_left_alone(runs, tmp_path, text):
    file = tmp_path / "README.md"
    file.write_bytes(text.encode())
    with pytest.raises(ConfigError, match="expected the lines"):
        put_into(runs, file)
    assert file.read_bytes() == text.encode()


def test_a_file_that_is_not_there_is_one_line_with_advice(runs, tmp_path):
    with pytest.raises(ConfigError, match=r"none\.md: expected a file with the lines .*check the path"):
        put_into(runs, tmp_path / "none.md")


def test_what_to_expect_is_what_unchanged_recipes_reached(runs):
    found = expected(read_all(runs)[0], DEFAULTS)
    assert list(found) == ["recurrent-digits"]
    assert found["recurrent-digits"].startswith("2.50 ± 1.80 % (n = 3; cpu, torch ")


@pytest.fixture
def finished(tmp_path, generator):
    run = RunFolder.create(tmp_path / "run", configuration(recipe("recurrent-digits"), 0, "fp32"))
    for epoch in (1, 2):
        validation = {"error_goodness": 9.0 / epoch, "error_softmax": 8.0 / epoch}
        learnt = {"pairwise_accuracy": [0.8, 0.9], "loss": [0.5 / epoch, 0.6], "softmax_loss": 0.7}
        run.append_metrics({"epoch": epoch, "validation": validation} | learnt)
    run.save(1, {"layers.0.connections.0.weight": torch.randn(64, 120, generator=generator)}, {})
    drawn = np.random.default_rng(0)
    kept = {
        "images": drawn.integers(0, 17, (SHOWN, 8, 8), dtype=np.uint8),
        "truth": np.array([3, 1, 4, 1]),
        "index": np.arange(SHOWN),
        "goodness": drawn.random((ITERATIONS, SHOWN, CLASSES), dtype=np.float32),
        "positive": 1 + drawn.random((2, CASES), dtype=np.float32),
        "negative": drawn.random((2, CASES), dtype=np.float32),
    }
    kept["goodness"][:, 0, 3] += 1  # the first image is predicted rightly
    (run.path / "examples.safetensors").write_bytes(safetensors.numpy.save(kept))
    result(run, 2.0, 3.0)
    return run


def test_the_heat_map_shows_centred_goodness_and_the_right_answer(finished):
    kept = examples(read(finished))
    axes = [part for part in heat_map(read(finished)).axes if part.images]  # no colour bars
    titles = set()
    for case in range(SHOWN):
        image, shown = axes[2 * case].images[0].get_array(), axes[2 * case + 1].images[0].get_array()
        assert np.array_equal(image, kept["images"][case])
        assert shown.shape == (CLASSES, ITERATIONS)
        goodness = kept["goodness"][:, case]
        np.testing.assert_allclose(shown, (goodness - goodness.mean(1, keepdims=True)).T)
        predicted, truth = goodness[1:3].mean(0).argmax(), kept["truth"][case]
        expected = f"{predicted}" if predicted == truth else f"{predicted}, true label {truth}"
        assert axes[2 * case + 1].get_title() == expected
        colour = GOOD if predicted == truth else BAD
        assert axes[2 * case + 1].title.get_color() == colour
        titles.add(colour)
        *window, last = axes[2 * case + 1].lines
        rows = {
            line.get_color(): list(line.get_ydata()) for line in (*window, last) if line.get_marker() == "<"
        }
        assert rows == {GOOD: [truth]} | ({} if predicted == truth else {BAD: [predicted]})
        borders = [line.get_xdata()[0] for line in window if line.get_marker() == "None"]
        assert borders == pytest.approx([1.5, 3.5], abs=0.1)  # goodness is averaged over iterations 2 and 3
    assert titles == {GOOD, BAD}


def test_classes_have_their_names_in_heat_maps_and_in_the_table_of_confusions(finished):
    names = [f"class <{letter}>" for letter in "abcdefghij"]
    written = finished.read_json("result.json")
    written["test"]["confusion"] = np.arange(CLASSES**2).reshape(CLASSES, CLASSES).tolist()
    finished.write_json("result.json", written)
    numbered = page(read(finished), []).read_text()
    assert f"<tr><th>{CLASSES - 1}</th><td>90</td><td>91</td>" in numbered
    finished.write_json("config.json", finished.config | {"classes": names})
    axes = [part for part in heat_map(read(finished)).axes if part.images][1]
    assert [label.get_text() for label in axes.get_yticklabels()] == names
    assert axes.get_title() == names[3]  # the first image is predicted rightly
    named = page(read(finished), []).read_text()
    assert "<tr><th>class &lt;j&gt;</th><td>90</td><td>91</td>" in named
    assert "<th></th><th>class &lt;a&gt;</th>" in named
    finished.write_json("config.json", finished.config | {"classes": names[:3]})  # of other classes
    assert page(read(finished), []).read_text() == numbered


def test_receptive_fields_of_colour_images_show_zero_as_grey(finished, generator):
    kept = examples(read(finished))
    kept["images"] = np.zeros((SHOWN, 4, 5, 3), np.uint8)
    (finished.path / "examples.safetensors").write_bytes(safetensors.numpy.save(kept))
    weights = torch.randn(60, 2, generator=generator)
    weights[7, 1] = 0
    finished.save(2, {"layers.0.connections.0.weight": weights}, {})
    image = receptive_fields(read(finished)).axes[1].images[0].get_array()
    assert image.shape == (4, 5, 3)
    assert image.flatten()[7] == 0.5
    assert 0 <= image.min() <= image.max() <= 1


def test_receptive_fields_are_columns_of_the_weights(finished):
    weights = finished.load()[1]["layers.0.connections.0.weight"].numpy()
    axes = receptive_fields(read(finished)).axes
    assert len(axes) == 100
    for unit in (0, 37, 99):
        image = axes[unit].images[0]
        np.testing.assert_array_equal(image.get_array(), weights[:, unit].reshape(8, 8))
        assert image.get_clim()[0] == -image.get_clim()[1]  # zero has the middle colour


def test_few_units_are_all_drawn_and_permuted_pixels_are_said_to_be(finished):
    finished.save(2, {"layers.0.connections.0.weight": torch.ones(64, 13)}, {})
    figure = receptive_fields(read(finished))
    assert sum(bool(axes.images) for axes in figure.axes) == 13
    assert "permuted" not in figure.get_suptitle()
    config = finished.config
    config["recipe"]["training"]["permute"] = 0
    finished.write_json("config.json", config)
    assert "permuted" in receptive_fields(read(finished)).get_suptitle()


def test_histograms_count_every_case(finished):
    for axes in goodness_histograms(read(finished)).axes:
        heights = [bar.get_height() for bar in axes.patches]
        half = len(heights) // 2
        assert sum(heights[:half]) == sum(heights[half:]) == CASES
        assert axes.lines[0].get_xdata()[0] == -1.0


def test_the_learning_curve_is_the_metrics(finished):
    errors, pairs = learning_curve(read(finished)).axes
    assert errors.lines[0].get_ydata().tolist() == [9.0, 4.5]
    assert errors.lines[1].get_ydata().tolist() == [8.0, 4.0]
    assert errors.get_yscale() == "log"
    assert [line.get_ydata()[0] for line in pairs.lines] == [80.0, 90.0]


def test_a_learning_curve_without_validation_says_so(tmp_path, finished):
    run = RunFolder(shutil.copytree(finished.path, tmp_path / "unvalidated"))
    records = run.metrics()
    run.keep_metrics(0)
    for record in records:
        run.append_metrics({k: v for k, v in record.items() if k != "validation"})
    errors, pairs = learning_curve(read(run)).axes
    assert [text.get_text() for text in errors.texts] == ["not validated"]
    assert len(pairs.lines) == 2


def test_the_loss_curves_are_the_metrics(finished):
    first, second, softmax = loss_curves(read(finished)).axes[0].lines
    assert first.get_ydata().tolist() == [0.5, 0.25]
    assert second.get_ydata().tolist() == [0.6, 0.6]
    assert softmax.get_ydata().tolist() == [0.7, 0.7]


def test_the_collapse_is_the_metrics(tmp_path):
    run = RunFolder.create(tmp_path / "run", configuration(recipe("twin-digits"), 0, "fp32"))
    for epoch in (1, 2):
        measures = {
            "rank": [3.0, 2.0 / epoch],
            "within": [0.9, 1.0],
            "between": [0.5, 0.4],
            "spread": [0.3, 0.1],
        }
        learnt = {"neighbour_accuracy": [0.8, 0.9], "loss": [0.5, 0.6], "softmax_loss": 0.7}
        run.append_metrics({"epoch": epoch, "validation": {"collapse": measures}} | learnt)
    rank, cosine, spread = collapse(read(run)).axes
    assert [line.get_ydata().tolist() for line in rank.lines] == [[3.0, 3.0], [2.0, 1.0]]
    assert [line.get_ydata()[0] for line in cosine.lines] == [0.9, 1.0, 0.5, 0.4]
    assert [line.get_ydata()[0] for line in spread.lines] == [0.3, 0.1]


def test_a_run_without_agreement_has_no_collapse_to_draw(finished):
    with pytest.raises(RunError, match="no measure of collapse"):
        collapse(read(finished))


def test_the_label_is_shown_where_it_covers_pixels(finished, generator):
    pixels, label = torch.randn(54, 20, generator=generator), torch.randn(10, 20, generator=generator)
    finished.save(
        2, {"layers.0.connections.0.weight": pixels, "layers.0.connections.label.weight": label}, {}
    )
    fields = first_layer(read(finished))
    assert fields.shape == (20, 8, 8)
    np.testing.assert_array_equal(fields[7].flatten()[10:], pixels[:, 7])
    np.testing.assert_allclose(fields[7].flatten()[:10], label[:, 7] * 10**0.5, rtol=1e-6)


def test_local_receptive_fields_are_shown_channel_by_channel(finished, generator):
    weights = torch.randn(4, 9, 5, generator=generator)  # locations, field, channels
    finished.save(2, {"layers.0.connections.0.weight": weights}, {})
    fields = first_layer(read(finished))
    assert fields.shape == (20, 3, 3)
    for channel in range(5):
        for place in range(4):
            np.testing.assert_array_equal(fields[channel * 4 + place].flatten(), weights[place, :, channel])


@pytest.mark.parametrize("colours", [1, 3])
def test_fields_of_bands_are_those_that_lie_within_the_map(colours, generator):
    """The weight of a pixel is its number; 6 × 6 places, two channels that differ in sign."""
    bands = Bands(6, 3, colours, 2, generator, most=2)
    pixels = torch.arange(36.0 * colours).view(1, -1)
    weights = bands.mask * bands.seen(pixels).mT * torch.tensor([1.0, -1.0]).repeat(12)
    fields = of_bands(weights.numpy(), 3, 6)
    image = pixels.view(6, 6, colours).squeeze(2).numpy() if colours == 1 else pixels.view(6, 6, 3).numpy()
    assert len(fields) == 16 * 2
    for number, (top, left) in enumerate(product(range(4), repeat=2)):
        np.testing.assert_array_equal(fields[2 * number], image[top : top + 3, left : left + 3])
        np.testing.assert_array_equal(fields[2 * number + 1], -image[top : top + 3, left : left + 3])
    with pytest.raises(NothingToDraw, match="no field of 13 × 13 lies within 6 × 6 places"):
        of_bands(Bands(6, 13, 1, 2, generator).weight.numpy(), 13, 6)


def test_hybrids_show_parents_mask_and_child(finished):
    drawn = np.random.default_rng(1)
    kept = {key: drawn.integers(0, 9, (3, 8, 8)).astype(np.uint8) for key in ("images", "others", "hybrids")}
    kept |= {"masks": drawn.integers(0, 2, (3, 8, 8)).astype(np.uint8)}
    kept |= {"positive": np.ones((2, 5), np.float32), "negative": np.zeros((2, 5), np.float32)}
    (finished.path / "examples.safetensors").write_bytes(safetensors.numpy.save(kept))
    axes = hybrids(read(finished)).axes
    assert [a.get_ylabel() for a in axes[::3]] == ["image", "another", "mask", "hybrid"]
    for row, key in enumerate(("images", "others", "masks", "hybrids")):
        for case in range(3):
            np.testing.assert_array_equal(axes[3 * row + case].images[0].get_array(), kept[key][case])
    legend = goodness_histograms(read(finished)).axes[-1].get_legend()
    assert {text.get_text() for text in legend.get_texts()} == {"image", "hybrid", "threshold"}


def test_every_picture_is_written_and_put_on_the_page(finished):
    paths = figures.draw(read(finished))
    of_images = {name for name, figure in figures.FIGURES.items() if figure.kind == "images"}
    assert {path.stem for path in paths} == of_images - {
        "hybrids",
        "wake_sleep",
        "collapse",
        "confidence",
        "robustness",
    }
    for path in paths:
        png = path.read_bytes()
        assert png.startswith(b"\x89PNG")
        assert min(struct.unpack(">2I", png[16:24])) > 300
    written = page(read(finished), paths).read_text()
    assert written.count("data:image/png;base64,") == len(paths)
    assert "Test error 2.00 % by goodness" in written
    for path in paths:
        assert html.escape(figures.FIGURES[path.stem].caption) in written


def test_the_page_escapes_names(finished):
    config = finished.config
    config["recipe"]["name"] = config["recipe"]["paper"] = "<script>alert(1)</script>"
    finished.write_json("config.json", config)
    written = page(read(finished), []).read_text()
    assert "<script>" not in written
    assert written.count("&lt;script&gt;") == 2


def test_other_data_make_other_pictures(finished, monkeypatch):
    monkeypatch.delitem(figures.FIGURES, "receptive_fields")  # slow to draw
    before = {path.stem: path.read_bytes() for path in figures.draw(read(finished))}
    kept = examples(read(finished))
    kept["goodness"] = np.flip(kept["goodness"], 0).copy()
    (finished.path / "examples.safetensors").write_bytes(safetensors.numpy.save(kept))
    after = {path.stem: path.read_bytes() for path in figures.draw(read(finished))}
    assert {name for name in before if before[name] != after[name]} == {"heat_map"}


def test_a_run_under_way_has_a_learning_curve_and_a_page(runs):
    run = RunFolder(runs / "unfinished")
    learnt = {"pairwise_accuracy": [0.8, 0.9], "loss": [0.5, 0.6], "softmax_loss": 0.7}
    run.append_metrics({"epoch": 1} | learnt)  # not validated yet
    paths = figures.draw(read(run))
    assert [path.stem for path in paths] == ["learning_curve", "loss_curves"]
    assert page(read(run), paths).read_text().count("data:image/png;base64,") == 2


def test_a_damaged_run_is_an_error_not_a_missing_picture(finished):
    next(finished.checkpoints.glob("*/weights.safetensors")).write_bytes(b"damaged")
    with pytest.raises(RunError, match="is damaged"):
        figures.draw(read(finished))


def test_a_run_without_an_epoch_cannot_be_drawn(runs):
    with pytest.raises(RunError, match="nothing to draw yet: train it"):
        figures.draw(read(RunFolder(runs / "unfinished")))
    assert not (runs / "unfinished" / "pictures").exists()


def text_run(seed: int, text: str, data: str, perplexity: float) -> Summary:
    recipe = plain(RECIPES["fables"]()) | {"data": data}
    counted = {"Kneser-Ney of order 6": {"test": {"perplexity": 4.0}}}
    result = {
        "seed": seed,
        "device": "cpu",
        "seconds": 60,
        "updates": 144,
        "test": {"perplexity": perplexity, "softmax_perplexity": 7.0},
        "validation": {"perplexity": 5.0},
        "baselines": counted,
    }
    config = {"recipe": recipe, "seed": seed, "precision": "fp32", "text": text}
    return Summary(Path("x"), config, {"torch": "2"}, [], result)


def test_runs_on_different_texts_are_kept_apart_and_the_softmax_stands_beside_its_memory():
    runs = [
        text_run(0, "a", "fables", 6.0),
        text_run(1, "a", "fables", 8.0),
        text_run(2, "b", "/home/my.txt", 9.0),
    ]
    defaults = {"fables": plain(RECIPES["fables"]())}
    head, _, ours, other = results_table(runs, defaults).splitlines()
    assert "| processor minutes | test perplexity | nats a character | without memory |" in head
    assert "| validation perplexity | best count model, test | with it, test |" in head
    nats = "1.936 ± 0.203"  # (log 6 + log 8) / 2, and log(8 / 6) / √2
    reached = f"| 2 (0, 1) | 144 | – | 7.00 ± 1.41 | {nats} | 7.00 ± 0.00 | 5.00 ± 0.00 |"
    reached += " 4.00 (Kneser-Ney of order 6) |"
    assert f"{reached} – |" in ours
    runs[0].result["with_counts"] = {"test": {"perplexity": 3.0}}
    assert f"{reached} – |" in results_table(runs, defaults)  # one seed of two
    runs[1].result["with_counts"] = {"test": {"perplexity": 4.0}}
    assert f"{reached} 3.50 ± 0.71 |" in results_table(runs, defaults)
    assert "`ffrec train fables --text my.txt --precision fp32 --seed S`" in other
    assert "| 1 (2) | 144 | – | 9.00 | 2.197 |" in other
    runs[2].result["processor_seconds"] = 90.0
    assert "| 1 (2) | 144 | 1.5 | 9.00 |" in results_table(runs, defaults)
    edited = text_run(3, "another checksum", "fables", 10.0)  # the same name, other strings
    assert [row for row in results_table([*runs, edited], defaults).splitlines() if "| 1 (3) |" in row]
    assert models_table(runs) == ""
    assert expected(runs, defaults) == {"fables": "perplexity 7.00 ± 1.41 (n = 2; cpu, torch 2)"}


def test_what_else_predicts_the_same_strings_stands_beside_a_run():
    import dataclasses

    both = {"validation": {"perplexity": 5.5}, "test": {"perplexity": 5.25}}
    run = dataclasses.replace(text_run(0, "a", "fables", 6.0), baselines={"backpropagation": both})
    run.result["validation"]["softmax_perplexity"] = 7.5
    run.result["baselines"]["Kneser-Ney of order 6"]["validation"] = {"perplexity": 4.5}
    assert models_table([run]).splitlines()[2:] == [
        "| x | the run itself | 5.00 | 6.00 | 1.792 |",
        "| x | without its memory | 7.50 | 7.00 | 1.946 |",
        "| x | Kneser-Ney of order 6 | 4.50 | 4.00 | 1.386 |",
        "| x | backpropagation | 5.50 | 5.25 | 1.658 |",
    ]


def reached(validation: float, test: float) -> dict:
    return {"validation": {"perplexity": validation}, "test": {"perplexity": test}}


def test_what_learning_is_worth_is_measured_against_the_best_that_validation_strings_choose():
    result = {"test": {"perplexity": 4.0, "by_part": {"layer 1": 9.0, "softmax": 4.5}}}
    others = {
        "random features": reached(5.0, 5.0),
        "random features (plain initial weights)": reached(5.1, 1.0),
        "random features with the memory": reached(1.0, 1.0),
        "backpropagation": reached(6.0, 1.0),
        "backpropagation (plain initial weights)": reached(3.9, 3.2),
    }
    found = worth(result, others)
    assert found == pytest.approx({LEARNING: 0.2, BY_SOFTMAX: 0.1, RATIO: 1.25})
    others["random features"]["test"]["by_part"] = {"softmax": 9.0}  # without an exponent, as the run's own
    assert worth(result, others)[BY_SOFTMAX] == pytest.approx(0.5)
    with_memory = {"test": {"perplexity": 2.0, "softmax_perplexity": 4.0}}
    assert worth(with_memory, others) == pytest.approx({LEARNING: 0.2, RATIO: 1.25})
    assert worth(result, {"random features with the memory": reached(1.0, 1.0)}) == {}


def test_what_learning_is_worth_has_a_row_for_the_runs_that_were_compared():
    import dataclasses

    runs = [text_run(seed, "a", "fables", perplexity) for seed, perplexity in enumerate((6.0, 6.0, 6.0))]
    others = {"random features": reached(9.0, 10.0), "backpropagation": reached(9.0, 8.0)}
    runs[1] = dataclasses.replace(runs[1], baselines=others)
    del runs[2].result["test"]["softmax_perplexity"]
    runs[2] = dataclasses.replace(runs[2], baselines={"random features": reached(9.0, 12.0)})
    defaults = {"fables": plain(RECIPES["fables"]())}
    assert worth_table(groups(runs, defaults)).splitlines()[2:] == [
        "| `ffrec train fables --precision fp32 --seed S` | 1, 2 | 40.0 ± 14.1 % | – | 0.875 |"
    ]
    assert worth_table(groups(runs[:1], defaults)) == ""


def test_a_layer_stands_beside_the_layer_before_it():
    runs = [text_run(seed, "a", "fables", 6.0) for seed in (0, 1)]
    for run, second in zip(runs, (6.0, 7.2), strict=True):
        for part, layers in (("validation", (5.0, 4.0)), ("test", (8.0, second))):
            run.result[part]["by_part"] = {"layer 1": layers[0], "layer 2": layers[1], "softmax": 9.0}
    defaults = {"fables": plain(RECIPES["fables"]())}
    command = "| `ffrec train fables --precision fp32 --seed S` |"
    assert parts_table(groups(runs, defaults)).splitlines()[2:] == [
        f"{command} layer 1 | 5.00 ± 0.00 | 8.00 ± 0.00 | – |",
        f"{command} layer 2 | 4.00 ± 0.00 | 6.60 ± 0.85 | 17.5 ± 10.6 % |",
        f"{command} softmax | 9.00 ± 0.00 | 9.00 ± 0.00 | – |",
    ]
    assert parts_table(groups([text_run(0, "a", "fables", 6.0)], defaults)) == ""


def test_pairs_are_ordered_by_goodness_and_ties_count_half():
    positive, negative = np.array([[1.0, 3.0], [2.0, 2.0]]), np.array([[2.0, 0.0], [2.0, 5.0]])
    assert pair_accuracy(positive, negative) == [0.75, 0.25]

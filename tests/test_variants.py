"""Local rules side by side: one budget, one row each, and what their names say."""

import importlib
import json
from pathlib import Path

import pytest
import torch
from commands import assert_refused, ffrec

from ffrec.config import BackpropConfig, ConfigError
from ffrec.studies.rules import CELLS, CHOSEN, DATA, VARIANTS
from ffrec.studies.variants import chosen, recipe_of
from ffrec.tasks.images import new_trainer
from ffrec.tasks.recorded import plain
from ffrec.training.events import Epoch

ROOT = Path(__file__).parent.parent

DIGITS = ("sweep", "variants", "--only", "digits-*", "--set", "epochs=1", "--set", "hidden=[10,10,10]")


def test_all_rows_of_a_data_set_have_its_layers_and_its_budget():
    recipes = chosen(["*"], {})
    assert (
        recipes.keys()
        == CELLS.keys()
        == {f"{data}-{name}" for data, budget in DATA.items() for name in budget.variants}
    )
    for name, recipe in recipes.items():
        data, _ = CELLS[name]
        units, budget = DATA[data].hidden, DATA[data].training
        assert (recipe.data, recipe.network.hidden) == (data, units)
        for shared in ("epochs", "batch", "weight_decay", "jitter", "mirror", "noise", "schedule"):
            assert getattr(recipe.training, shared) == getattr(budget, shared)
        assert recipe.training.validate_every == budget.epochs
        assert not recipe.training.train_on_validation


def test_rows_differ_in_their_rule():
    rules = {name: (recipe.network, recipe.training) for name, recipe in chosen(["mnist-*"], {}).items()}
    assert len({repr(rule) for rule in rules.values()}) == len(VARIANTS)
    assert rules["mnist-mono-forward"][0].goodness == "scores"
    assert rules["mnist-asge"][0].goodness == "random-scores"
    assert rules["mnist-hff"][0].goodness == "prototypes"
    assert {rules[f"mnist-{name}"][0].blocks for name in ("cwcomp", "deeperforward")} == {10}
    assert rules["mnist-scff"][1].negatives == "pairs"
    reads = {recipe.network.read for name, recipe in chosen(["cifar-10-*"], {}).items() if "back" not in name}
    assert reads == {(3, 4), (4,)}
    assert recipe_of("cifar-10-random", {}).network.read == recipe_of("cifar-10-asge", {}).network.read
    maps = [(recipe.network, recipe.training) for recipe in chosen(["cifar-10-*"], {}).values()]
    assert len({repr(rule) for rule in maps}) == len(maps)
    learnt = {name for name, (network, _) in rules.items() if isinstance(network, BackpropConfig)}
    assert learnt == {"mnist-backprop", "mnist-random"}


def test_the_rules_of_convolutions_learn_from_colour_images():
    drawn = torch.Generator().manual_seed(3)
    images = torch.randint(256, (40, 32, 32, 3), generator=drawn, dtype=torch.uint8)
    labels = torch.arange(40) % 10
    small = {"hidden": (10, 20, 10, 20), "batch": 20, "epochs": 6, "jitter": 0, "mirror": False}
    recipes = chosen(["cifar-10-*"], small)
    assert {CELLS[name][1] for name in recipes} == {*VARIANTS, "deep"} - {"hybrids", "scff"}
    for name, recipe in recipes.items():
        trainer = new_trainer(recipe, images, labels, 10)
        first, *_, last = (epoch for epoch in trainer.run(None, None) if isinstance(epoch, Epoch))
        still = recipe.network.kind == "backprop-convolutional"  # it has one loss, of its softmax
        losses = [
            epoch.record["softmax_loss"] if still else sum(epoch.record["loss"]) for epoch in (first, last)
        ]
        assert losses[1] < losses[0], name


@pytest.fixture
def search(monkeypatch):
    """benchmarks/variants.py."""
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    return importlib.import_module("variants")


def test_chosen_settings_are_those_of_the_lowest_error_on_validation_images(search):
    file = ROOT / "results" / "variants.jsonl"
    for cell, (data, _) in CELLS.items():
        if data in search.CHOOSING:
            listed, found = search.search(cell, file)
            assert len(found) == len(listed) > 0, f"{cell}: run benchmarks/variants.py run"
    assert search.chosen(file) == CHOSEN
    page = (ROOT / "docs" / "variants.md").read_text()
    assert f"<!-- choices -->\n{search.choices(file)}\n<!-- /choices -->" in page
    for cell, settings in CHOSEN.items():
        assert recipe_of(cell, {}) == recipe_of(cell, settings, searched=False)
        assert recipe_of(cell, {"rate": 0.5}).training.rate == 0.5


def test_settings_are_searched_one_after_another(search, tmp_path):
    file = tmp_path / "lines.jsonl"
    errors = {0.0003: 4.0, 0.001: 2.0, 0.003: 3.0, 0.01: 5.0}

    def tell(trials, error):
        with file.open("a") as lines:
            for one in trials:
                told = {"group": one.title, "change": one.change, "settings": one.settings, "seed": 0}
                lines.write(
                    json.dumps(told | {"recipe": plain(one.made()), "error": error(one.settings)}) + "\n"
                )

    rates, found = search.search("mnist-scff", file)
    assert ([one.settings["rate"] for one in rates], found) == ([*errors], [])
    tell(rates[1:], lambda settings: errors[settings["rate"]])
    assert search.search("mnist-scff", file)[0] == rates
    row = search.choices(file).splitlines()[-1]
    assert row == "| mnist | scff | – | **2.00** | 3.00 | 5.00 | – | – | – | – | – | – |"
    tell(rates[:1], lambda settings: errors[settings["rate"]])
    sharp = search.search("mnist-scff", file)[0][4:]
    assert [one.settings for one in sharp] == [{"rate": 0.001, "sharpness": s} for s in (7.5, 120.0)]
    tell(sharp, lambda settings: 1.0 if settings["sharpness"] > 30 else 9.0)
    softmax = search.search("mnist-scff", file)[0][6:]
    assert [one.settings.pop("softmax_rate") for one in softmax] == [0.0003, 0.003, 0.01]
    assert all(one.settings == {"rate": 0.001, "sharpness": 120.0} for one in softmax)
    assert search.chosen(file) == {"mnist-scff": {"rate": 0.001, "sharpness": 120.0}}


def test_every_rule_that_predicts_by_the_softmax_has_its_rate_searched(search):
    searched = {
        name: [stage for stage, _ in search.stages(recipe_of(f"mnist-{name}", {}, searched=False))]
        for name in VARIANTS
    }
    by_softmax = {name for name, names in searched.items() if "softmax_rate" in names}
    assert by_softmax == {"hybrids", "scff", "backprop", "random"}
    assert {name for name, names in searched.items() if "sharpness" not in names} == {
        "mono-forward",
        "backprop",
        "random",
    }
    assert searched["random"] == ["softmax_rate"]


def test_cells_are_chosen_by_pattern():
    assert {CELLS[name][0] for name in chosen([], {})} == DATA.keys() - {"digits"}
    assert list(chosen(["digits-asge"], {})) == ["digits-asge"]
    assert chosen(["digits-asge"], {"epochs": 3, "validate_every": 1})["digits-asge"].training.epochs == 3
    with pytest.raises(ConfigError, match="no cell matches 'mnist-monoforward': did you mean 'mnist-mono-fo"):
        chosen(["mnist-monoforward"], {})


def test_every_rule_learns_and_has_a_row_with_the_mean_of_its_seeds(tmp_path):
    for seed in ("0", "1"):
        done = ffrec(*DIGITS, "--seed", seed, "--out", f"s{seed}", cwd=tmp_path)
        assert (done.returncode, done.stderr) == (0, "")
        assert f"{len(VARIANTS)} of {len(VARIANTS)} cells done" in done.stdout
    shown = ffrec("sweep", "show", "s0", "s1", cwd=tmp_path)
    head, _, *rows = shown.stdout.splitlines()
    assert [row.split(" | ")[1].split(" --set ")[0] for row in rows] == list(VARIANTS)
    twice = ffrec("sweep", "show", "s0", "s0", cwd=tmp_path)
    assert_refused(twice, "expected runs with different seeds, found [0, 0]")
    apart = ffrec(
        *DIGITS[:3], "digits-random", "--set", "epochs=2", "--seed", "2", "--out", "s2", cwd=tmp_path
    )
    assert apart.returncode == 0
    mixed = ffrec("sweep", "show", "s0", "s1", "s2", cwd=tmp_path).stdout.splitlines()
    assert len(mixed) == len(VARIANTS) + 3  # what differs in more than its seed has a row of its own
    place = head.split(" | ").index("by softmax, %")
    for row, name in zip(rows, VARIANTS, strict=True):
        errors = [
            json.loads((tmp_path / f"s{seed}/digits-{name}-{seed}/result.json").read_text())["test"]
            for seed in (0, 1)
        ]
        mean = sum(error["error_softmax"] for error in errors) / 2
        assert row.split(" | ")[place].startswith(f"{mean:.2f} ± ")
        softmax_alone = name in ("hybrids", "scff", "backprop", "random")
        assert (row.split(" | ")[place - 1] == "–") == softmax_alone


def test_a_wrong_sweep_of_variants_is_one_line(tmp_path):
    for arguments, words in [
        (["variants", "--only", "nothing"], "no cell matches"),
        (["variants", "--set", "epoch=2"], "did you mean epochs"),
        (["variants", "--only", "digits-*", "--data", "."], "--data is not read for the embedded digits"),
        (["show", "--cure", "nowhere"], "--cure names the folder"),
        (["show", "nowhere"], "expected finished runs of a sweep, found none"),
    ]:
        assert_refused(ffrec("sweep", *arguments, cwd=tmp_path), words)
    assert not (tmp_path / "runs").exists()

"""Local rules side by side: one budget, one row each, and what their names say."""

import json

import pytest
from commands import assert_refused, ffrec

from ffrec.config import BackpropConfig, ConfigError
from ffrec.studies.variants import CELLS, DATA, VARIANTS, chosen

DIGITS = ("sweep", "variants", "--only", "digits-*", "--set", "epochs=1", "--set", "hidden=[10,10,10]")


def test_all_rows_of_a_data_set_have_its_layers_and_its_budget():
    recipes = chosen(["*"], {})
    assert recipes.keys() == CELLS.keys() == {f"{data}-{name}" for data in DATA for name in VARIANTS}
    for name, recipe in recipes.items():
        data, _ = CELLS[name]
        units, budget = DATA[data]
        assert (recipe.data, recipe.network.hidden) == (data, units)
        assert (recipe.training.epochs, recipe.training.batch) == (budget.epochs, budget.batch)
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
    learnt = {name for name, (network, _) in rules.items() if isinstance(network, BackpropConfig)}
    assert learnt == {"mnist-backprop", "mnist-random"}


def test_cells_are_chosen_by_pattern():
    assert {CELLS[name][0] for name in chosen([], {})} == {"mnist", "fashion-mnist"}
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

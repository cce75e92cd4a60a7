"""What is said of a search, from planted trials of which all is known."""

import pytest

pytest.importorskip("optuna", reason="the extra 'sweep' is not installed")
from optuna.distributions import CategoricalDistribution, FloatDistribution, distribution_to_json

from ffrec.recipes import recipe
from ffrec.studies.tune.figure import picture
from ffrec.studies.tune.table import command, counts, importances, measure, remarks, results, rows
from ffrec.tasks.recorded import plain

DRAWN = {
    "rate": FloatDistribution(1e-4, 1e-2, log=True),
    "sharpness": FloatDistribution(0.0, 10.0),
    "hidden": CategoricalDistribution(["[5, 5]", "[7]"]),
    "activity": CategoricalDistribution(['"min"']),
}


def trial(number, value, rate, sharpness, state="complete", **more):
    params = {"rate": rate, "sharpness": sharpness, "hidden": "[7]", "activity": '"min"'}
    return {
        "number": number,
        "state": state,
        "value": value,
        "params": params,
        "settings": {"rate": rate, "sharpness": sharpness, "hidden": [7], "activity": "min"},
        "validation": {"1": 50.0, "2": value},
        "repeats": [],
        "epochs": 2,
        "seconds": 60.0,
        "measure": "error_goodness",
        "reason": "",
    } | more


def search(*trials):
    default = recipe("recurrent-digits")
    return {
        "recipe": plain(default.override({"epochs": 2, "batch": 10})),
        "default": plain(default),
        "space": dict.fromkeys(DRAWN),
        "seed": 4,
        "precision": "bf16",
        "sampler": "tpe",
        "pruner": "median",
        "plugins": ["my rules.py"],
        "distributions": {name: distribution_to_json(drawn) for name, drawn in DRAWN.items()},
        "trials": list(trials),
    }


def repeats(*values):
    return [
        {"seed": seed, "value": value, "epochs": 2, "seconds": 120.0, "reason": ""}
        for seed, value in enumerate(values, 5)
    ]


FOUND = search(
    trial(0, 1.0, 0.001, 2.0),  # the lowest number, but of one seed
    trial(1, 2.0, 0.002, 2.0, repeats=repeats(4.0, 6.0)),  # 4 ± 2
    trial(2, 2.5, 0.003, 2.0, repeats=repeats(2.5, None)),  # 2.5 ± 0, and one that diverged
    trial(3, 1.0, 0.001, 2.0, same_as=0),
    trial(4, None, 0.004, 2.0, state="pruned", reason="pruned after epoch 1"),
    trial(5, None, 0.005, 2.0, state="pruned", reason="no such thing"),
    trial(6, None, 0.005, 2.0, state="pruned", reason="no such thing"),
    trial(7, None, 0.006, 2.0, state="fail", reason="its process died 3 times"),
)


def test_those_with_more_seeds_come_first_then_the_lower_mean():
    assert [(row.number, row.values) for row in rows(FOUND)] == [(2, [2.5, 2.5]), (1, [2, 4, 6]), (0, [1])]
    assert results(FOUND).splitlines() == [
        "| rank | trial | validation error by goodness, % ± std (n) | rate | epochs | minutes |",
        "|---|---|---|---|---|---|",
        "| 1 | 2 | 2.50 ± 0.00 (2) | 0.003 | 2 | 1.5 |",
        "| 2 | 1 | 4.00 ± 2.00 (3) | 0.002 | 2 | 1.7 |",
        "| 3 | 0 | 1.00 (1) | 0.001 | 2 | 1.0 |",
    ]


def test_all_trials_are_counted_and_reasons_are_given():
    assert counts(FOUND) == [
        "trials: 8, of which 4 complete, 3 pruned, 1 failed",
        "1 of them had the settings of another one, and were not run again",
        "2 × no such thing",
        "1 × its process died 3 times",
    ]


def test_the_command_of_the_best_has_fixed_and_found_settings():
    words = command(FOUND)
    assert words.startswith("ffrec train recurrent-digits ")
    assert words.endswith(" --precision bf16 --seed 4 --plugin 'my rules.py'")
    sets = words.removesuffix(" --precision bf16 --seed 4 --plugin 'my rules.py'").split(" --set ")[1:]
    assert sorted(sets) == ["'hidden=[7]'", "batch=10", "epochs=2", "rate=0.003", "sharpness=2.0"]


def test_numbers_of_two_kinds_are_not_called_by_one_name():
    other = trial(1, 2.0, 0.002, 2.0, measure="error_softmax")
    assert measure(search(trial(0, 1.0, 0.001, 2.0), other)) == "validation error, %"
    assert measure(search(other)) == "validation error by softmax, %"


def test_what_decides_the_error_is_what_is_important():
    places = [(0.1 * n % 1, 0.37 * n % 1) for n in range(30)]
    planted = [trial(n, 10 + 5 * b, 10 ** (-4 + 2 * a), 10 * b) for n, (a, b) in enumerate(places)]
    found = importances(search(*planted))
    assert next(iter(found)) == "sharpness"
    assert found["sharpness"] > 0.9
    assert sum(found.values()) == pytest.approx(1)
    assert any(
        line.startswith("importance (fANOVA, 30 complete trials): sharpness")
        for line in remarks(search(*planted), found)
    )


def test_where_nothing_differs_nothing_is_important():
    assert importances(search()) == {}
    assert importances(search(trial(0, 1.0, 0.001, 2.0), trial(1, 1.0, 0.002, 3.0))) == {}
    assert not any(line.startswith("best:") for line in remarks(search(), {}))


def test_the_picture_shows_all_trials_and_every_setting():
    figure = picture(FOUND, {"sharpness": 0.75, "rate": 0.25})
    first, *others = figure.axes
    assert [axes.get_title() for axes in others] == [
        "sharpness (importance 0.75)",
        "rate (importance 0.25)",
        "hidden",
        "activity",
    ]
    pruned, complete, best = first.get_lines()
    assert list(complete.get_xdata()) == [0, 1, 2]
    assert list(complete.get_ydata()) == [1.0, 2.0, 2.5]
    assert list(best.get_ydata()) == [1.0, 1.0, 1.0]
    assert list(pruned.get_xdata()) == []  # planted ones have no validation that is finite
    ended = trial(8, None, 0.004, 2.0, state="pruned", reason="", validation={"1": 50.0, "2": 40.0})
    pruned = picture(search(*FOUND["trials"], ended), {}).axes[0].get_lines()[0]
    assert (list(pruned.get_xdata()), list(pruned.get_ydata())) == ([8], [40.0])

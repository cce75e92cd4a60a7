"""Configuration: recipes are whole, mistakes are named, and older run folders are read."""

import copy
import json
from pathlib import Path

import pytest

from ffrec.config import ConfigError, FeedForwardConfig, RecurrentConfig, recipe_from
from ffrec.recipes import RECIPES, recipe
from ffrec.tasks.recorded import plain

ROOT = Path(__file__).parent.parent
RESULTS = sorted(ROOT.glob("results/**/config.json"))


@pytest.mark.parametrize("name", RECIPES)
def test_recipes_survive_a_round_trip_through_json(name):
    chosen = recipe(name)
    assert chosen.name == name
    assert recipe_from(plain(chosen)) == chosen


def test_the_papers_recipe_is_the_papers():
    network, training = recipe("recurrent-mnist").network, recipe("recurrent-mnist").training
    assert network.hidden == (2000, 2000, 2000)
    assert (network.iterations, network.damping, network.update) == (8, 0.3, "synchronous")
    assert (network.window, network.activity, network.objective) == ((3, 5), "max", "logistic")
    assert (training.epochs, training.negatives, training.jitter) == (60, "hard", 0)
    alternating = recipe("recurrent-mnist-alternating").network
    assert (alternating.update, alternating.iterations) == ("alternating", 10)


def test_override_replaces_and_leaves_the_rest():
    changed = recipe("recurrent-mnist").override({"hidden": [30], "epochs": 2, "loss": [2, 4]})
    assert (changed.network.hidden, changed.training.epochs, changed.network.loss) == ((30,), 2, (2, 4))
    assert changed.training.batch == recipe("recurrent-mnist").training.batch


def test_connections_are_neighbours_and_skips():
    assert RecurrentConfig(hidden=(5, 5), skip=((0, 2),)).connections == [
        (0, 1),
        (0, 2),
        (1, 2),
        (2, 1),
        (3, 2),
    ]


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"epoch": 3}, "did you mean epochs"),
        ({"zzz": 3}, "`ffrec recipe NAME --explain` explains those of recurrent-digits"),
        ({"kind": "feedforward"}, "unknown setting 'kind'"),
        ({"epochs": "four"}, "epochs.*valid integer.*'four'"),
        ({"epochs": "4"}, "epochs.*valid integer"),
        ({"epochs": True}, "epochs.*valid integer"),
        ({"epochs": 0}, "epochs.*greater than 0.*found 0"),
        ({"damping": 1.0}, "damping.*less than 1"),
        ({"rate": float("inf")}, "rate"),
        ({"hidden": []}, "hidden.*at least 1"),
        ({"hidden": [5, -1]}, "hidden.*greater than 0"),
        ({"update": "sometimes"}, "update.*synchronous"),
        ({"loss": [3, 9]}, "loss ends at iteration 9 but there are 3"),
        ({"window": [5, 3]}, "window must run"),
        ({"activity": "max"}, "threshold: expected 0 or above with activity max"),
        ({"skip": [[0, 9]]}, "skip"),
        ({"hidden": [5, 5, 5], "update": "alternating", "skip": [[1, 3]]}, "even and odd"),
        ({"goodness": "sqares"}, "network.goodness: unknown goodness 'sqares': did you mean squares"),
        ({"objective": "pairwize"}, "did you mean pairwise"),
        ({"activation": "rely"}, "did you mean relu"),
        ({"negatives": "herd"}, "training.negatives: unknown negatives 'herd': did you mean hard"),
        (
            {"schedule": "zzz"},
            "unknown rate schedule 'zzz': choose from constant, half-linear, linear, cosine",
        ),
        ({"context": "above"}, "context.*own"),
    ],
)
def test_a_wrong_setting_is_one_clear_line(values, words):
    with pytest.raises(ConfigError, match=words) as error:
        recipe("recurrent-digits").override(values)
    assert "\n" not in str(error.value)


def test_an_unknown_recipe_names_the_nearest():
    with pytest.raises(ConfigError, match="did you mean recurrent-mnist"):
        recipe("recurent-mnist")
    with pytest.raises(ConfigError, match=r"`ffrec ls` lists all \d+$"):
        recipe("zzz")


def values(name: str) -> dict:
    """Today's plain values of a recipe, free to be changed."""
    return copy.deepcopy(plain(recipe(name)))


@pytest.mark.parametrize("file", RESULTS, ids=lambda file: "/".join(file.parts[-3:-1]))
def test_every_stored_run_is_read(file):
    held = json.loads(file.read_text())["recipe"]
    read = recipe_from(held)
    assert (read.name, read.data) == (held["name"], held["data"])
    assert list(read.network.hidden) == held["network"]["hidden"]
    assert read.training.epochs == held["training"]["epochs"]
    if "awake" in held["training"]:
        assert (read.training.wake, read.training.sleep) == (
            held["training"]["awake"],
            held["training"]["asleep"],
        )
    if held["network"].get("objective") in ("max", "min"):
        assert (read.network.activity, read.network.objective) == (held["network"]["objective"], "logistic")
    assert recipe_from(plain(read)) == read


def test_there_are_stored_runs():
    assert len(RESULTS) > 50


KINDS = {
    "recurrent-mnist-small": "recurrent",
    "supervised-mnist": "feedforward",
    "sleep-mnist-cure": "feedforward",
    "backprop-mnist": "backprop",
    "aesop-recall": "character",
}


@pytest.mark.parametrize(("name", "kind"), KINDS.items())
def test_old_keys_mean_what_they_meant(name, kind):
    old = values(name)
    assert old["network"].pop("kind") == kind
    network, training = old["network"], old["training"]
    if kind != "backprop":
        network["objective"] = network.pop("activity")
        for younger in ("context", "connection"):
            del network[younger]
    if kind == "feedforward":
        network["scale"] = "mean"
    if kind == "recurrent":
        network["chunk"] = 0
    training["awake"], training["asleep"] = training.pop("wake"), training.pop("sleep")
    training["schedule_options"] = {}
    before = copy.deepcopy(old)
    assert recipe_from(old) == recipe(name)
    assert old == before  # what is read is not changed


@pytest.mark.parametrize(
    ("part", "key", "value"),
    [
        ("network", "chunk", 2),
        ("network", "scale", "sum"),
        ("training", "schedule_options", {"step_size": 10}),
    ],
)
def test_a_setting_that_is_gone_is_refused_where_its_value_mattered(part, key, value):
    old = values("supervised-mnist")
    old[part][key] = value
    with pytest.raises(ConfigError, match=rf"^{part}.{key}: this setting is gone, and the run's value"):
        recipe_from(old)


@pytest.mark.parametrize(("centring", "expected"), [(0.0, False), (False, False), (True, True)])
def test_centring_was_a_share_for_a_while(centring, expected):
    old = values("sleep-mnist-cure")
    old["network"]["centring"] = centring
    assert recipe_from(old).network.centring is expected
    old["network"]["centring"] = 0.5
    with pytest.raises(ConfigError, match=r"network.centring: .*found 0.5"):
        recipe_from(old)


@pytest.mark.parametrize(
    ("found", "words"),
    [
        ({}, "recipe: expected settings of its network, found None: restore config.json"),
        ({"recipe": 1}, "recipe: expected settings of its network, found None"),
        ({"network": 1, "training": {}}, "expected settings of its network, found 1"),
        ({"network": {}, "training": []}, r"expected settings of its training, found \[\]"),
        (1, "recipe: expected its settings, found 1"),
        (None, "recipe: expected its settings, found None"),
        ([{}], "recipe: expected its settings"),
        ({"network": {}, "training": {}}, "name: Field required"),
    ],
)
def test_what_is_no_recipe_is_one_clear_line(found, words):
    with pytest.raises(ConfigError, match=words) as error:
        recipe_from(found)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"kind": "feedfoward"}, "unknown kind of network 'feedfoward': did you mean feedforward"),
        ({"kind": 5}, "unknown kind of network '5': choose from"),
        ({"kind": "character"}, "network"),
        ({"hidden": [5, -1]}, "network.hidden: .*greater than 0, found -1"),
        ({"zzz": 1}, "network.zzz"),
    ],
)
def test_a_network_of_another_shape_is_one_clear_line(change, words):
    held = values("supervised-mnist")
    held["network"] |= change
    with pytest.raises(ConfigError, match=words) as error:
        recipe_from(held)
    assert "\n" not in str(error.value)
    assert "Config" not in str(error.value)


@pytest.mark.parametrize(("hidden", "read"), [((5,), (1,)), ((5, 5), (2,)), ((5, 5, 5), (2, 3))])
def test_all_levels_but_the_first_are_read_if_none_is_named(hidden, read):
    assert FeedForwardConfig(hidden=hidden).read == read


def test_every_setting_of_every_recipe_has_a_meaning():
    for name in RECIPES:
        meanings = recipe(name).meanings()
        assert {"hidden", "rate", "epochs"} <= meanings.keys()
        assert all(meanings.values()), [key for key, words in meanings.items() if not words]
        assert not any("\n" in words for words in meanings.values())


def test_a_setting_means_what_the_class_nearest_to_it_says():
    assert recipe("conv-digits").meanings()["hidden"].startswith("Channels")
    assert recipe("recurrent-digits").meanings()["hidden"].startswith("Units")

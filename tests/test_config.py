"""Configuration: recipes are whole, mistakes are named."""

import pytest

from ffrec.config import ConfigError, RecurrentConfig, recipe_from
from ffrec.recipes import RECIPES, recipe
from ffrec.tasks.recorded import plain


@pytest.mark.parametrize("name", RECIPES)
def test_recipes_survive_a_round_trip_through_json(name):
    chosen = recipe(name)
    assert chosen.name == name
    assert recipe_from(plain(chosen)) == chosen


def test_the_papers_recipe_is_the_papers():
    network, training = recipe("recurrent-mnist").network, recipe("recurrent-mnist").training
    assert network.hidden == (2000, 2000, 2000)
    assert (network.iterations, network.damping, network.update) == (8, 0.3, "synchronous")
    assert (network.window, network.objective) == ((3, 5), "max")
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
        ({"zzz": 3}, "choose from .*batch"),
        ({"epochs": "four"}, "epochs.*valid integer.*'four'"),
        ({"epochs": "4"}, "epochs.*valid integer"),
        ({"epochs": True}, "epochs.*valid integer"),
        ({"epochs": 0}, "epochs.*greater than 0.*found 0"),
        ({"damping": 1.0}, "damping.*less than 1"),
        ({"rate": float("inf")}, "rate"),
        ({"hidden": []}, "hidden.*at least 1"),
        ({"hidden": [5, -1]}, "hidden.*greater than 0"),
        ({"update": "sometimes"}, "update.*synchronous"),
        ({"loss": [3, 9]}, "loss ends at iteration 9 but there are 8"),
        ({"window": [5, 3]}, "window must run"),
        ({"objective": "min"}, "threshold has the sign"),
        ({"skip": [[0, 9]]}, "skip"),
        ({"hidden": [5, 5, 5], "update": "alternating", "skip": [[1, 3]]}, "even and odd"),
    ],
)
def test_a_wrong_setting_is_one_clear_line(values, words):
    with pytest.raises(ConfigError, match=words) as error:
        recipe("recurrent-digits").override(values)
    assert "\n" not in str(error.value)


def test_an_unknown_recipe_names_the_nearest():
    with pytest.raises(ConfigError, match="did you mean recurrent-mnist"):
        recipe("recurent-mnist")
    with pytest.raises(ConfigError, match="choose from"):
        recipe("zzz")

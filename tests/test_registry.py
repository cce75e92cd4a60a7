"""Menus: what is on them, names that are not, and what a user's own file puts there."""

from itertools import count
from pathlib import Path

import pytest
import torch

import ffrec
from ffrec import registry
from ffrec.config import (
    CharacterConfig,
    ConfigError,
    FeedForwardConfig,
    RecurrentConfig,
    TextRecipe,
    TextTraining,
)
from ffrec.recipes import recipe
from ffrec.registry import PluginError, UnknownName, load_plugins, menu, menus, pick, register
from ffrec.training.events import Epoch
from ffrec.training.images import ImageTrainer
from ffrec.training.text import TextTrainer

number = count()


@pytest.fixture
def plugin(tmp_path, monkeypatch):
    """A function that writes a plugin file; what it puts on menus is taken off at the end."""
    kept = {name: dict(entries) for name, entries in menus().items()}

    def write(text: str, name: str = "") -> Path:
        file = tmp_path / f"{name or f'rules{next(number)}'}.py"
        file.parent.mkdir(exist_ok=True)
        file.write_text(text)
        return file

    yield write
    for name, entries in kept.items():
        registry.ENTRIES[name].clear()
        registry.ENTRIES[name].update(entries)


L4 = '''
from __future__ import annotations

from dataclasses import dataclass

from ffrec.learning.goodness import Goodness, mean_square
from ffrec.registry import register


@register("goodness", "l4")
@dataclass(frozen=True)
class L4(Goodness):
    """The mean of the fourth powers."""

    def value(self, h):
        return h.pow(4).mean(-1)

    def grad(self, h, weight):
        return 4 / h.shape[-1] * weight.unsqueeze(-1) * h.pow(3)

    def norm(self, h):
        return mean_square(h).sqrt()
'''


@pytest.mark.parametrize("name", registry.HOME)
def test_every_menu_has_entries_with_a_place(name):
    entries = menu(name)
    assert entries
    assert menus()[name] == dict(entries)
    for entry, part in entries.items():
        assert pick(name, entry) is part


def test_unknown_names_suggest_the_nearest_or_name_all():
    with pytest.raises(UnknownName, match="unknown goodness 'sqares': did you mean squares"):
        pick("goodness", "sqares")
    with pytest.raises(
        UnknownName,
        match="unknown network 'zzz': choose from convolutional, feedforward, recurrent",
    ):
        pick("network", "zzz")
    with pytest.raises(UnknownName, match="unknown menu 'godness': did you mean goodness"):
        menu("godness")
    with pytest.raises(UnknownName, match="unknown menu 'goodnes': did you mean goodness"):
        register("goodnes", "mine")


def test_a_name_that_is_taken_is_refused(plugin):
    with pytest.raises(ValueError, match=r"goodness 'squares' is taken by .*MeanSquare: choose another name"):
        register("goodness", "squares")(object)
    register("goodness", "mine")(dict)
    register("goodness", "mine")(dict)  # the same once more, as when a module is imported again
    with pytest.raises(ValueError, match=r"taken by builtins\.dict"):
        register("goodness", "mine")(list)
    text = "from ffrec.registry import register\n@register('goodness', 'squares')\nclass Mine: ...\n"
    with pytest.raises(PluginError, match="ValueError: goodness 'squares' is taken by ffrec"):
        load_plugins([plugin(text)])
    assert pick("goodness", "squares").__name__ == "MeanSquare"


def test_two_files_of_one_name_cannot_take_each_others_places(plugin):
    text = "from ffrec.registry import register\n@register('goodness', 'twice')\nclass Mine: ...\n"
    load_plugins([plugin(text, "one/rules")])
    with pytest.raises(PluginError, match="'twice' is taken by"):
        load_plugins([plugin(text, "other/rules")])


def blobs(count: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Images 4×4 of three classes, told apart by which row is bright."""
    drawn = torch.Generator().manual_seed(0)
    labels = torch.randint(3, (count,), generator=drawn)
    images = torch.randint(90, (count, 4, 4), generator=drawn, dtype=torch.uint8)
    images[torch.arange(count), labels] += 120
    return images, labels


@pytest.mark.parametrize("kind", ["recurrent", "feedforward", "character"])
def test_a_goodness_of_ones_own_trains_in_every_network(kind, plugin):
    load_plugins([plugin(L4)])
    common = {"hidden": [40, 30], "goodness": "l4", "sharpness": 3.0, "rate": 3e-3, "epochs": 8, "batch": 16}
    if kind == "character":
        strings = (torch.arange(24)[:, None] + torch.arange(14)) % 6
        settings = CharacterConfig(hidden=(40, 30), window=4, goodness="l4", sharpness=3.0)
        training = TextTraining(regime="teacher-forced", epochs=8, passes=2, batch=8, rate=3e-3)
        made = TextRecipe(name="toy", paper="–", data="–", network=settings, training=training)
        trainer = TextTrainer(made, strings, 6)
    else:
        name = "recurrent-digits" if kind == "recurrent" else "supervised-digits"
        fields = common | {"activity": "max", "threshold": 1.0}
        trainer = ImageTrainer(recipe(name).override(fields), *blobs(150), 3)
    assert type(trainer.network.layer(1).goodness).__name__ == "L4"
    records = [event.record for event in trainer.run() if isinstance(event, Epoch)]
    for first, last in zip(records[0]["loss"], records[-1]["loss"], strict=True):
        assert last < 0.8 * first


def test_a_plugin_is_loaded_once(plugin):
    file = plugin(L4)
    load_plugins([file])
    first = pick("goodness", "l4")
    load_plugins([file, Path(str(file))])
    assert pick("goodness", "l4") is first


@pytest.mark.parametrize("config", [RecurrentConfig, FeedForwardConfig, CharacterConfig])
def test_a_name_is_known_once_its_plugin_is_loaded(config, plugin):
    with pytest.raises(ValueError, match="unknown goodness 'l4'"):
        config(goodness="l4")
    load_plugins([plugin(L4)])
    assert config(goodness="l4").goodness == "l4"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("def (", "expected a file that can be imported, found SyntaxError"),
        ("raise SystemExit(3)", "expected a file that can be imported, found SystemExit: 3: mend it"),
        ("import no_such_module_at_all", "found ModuleNotFoundError: No module named"),
        ("1 / 0", "found ZeroDivisionError: division by zero: mend it"),
        ("from ffrec.registry import register\nregister('godness', 'mine')", "did you mean goodness"),
    ],
)
def test_a_broken_plugin_is_one_clear_line(text, words, plugin):
    file = plugin(text)
    for _ in range(2):  # it is not thought to be loaded the second time
        with pytest.raises(PluginError, match=words) as error:
            load_plugins([file])
        assert str(file) in str(error.value)
        assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("name", "cure"),
    [("missing.py", "check the path"), ("folder", "check the path"), ("rules.txt", "has to end in .py")],
)
def test_what_is_no_plugin_is_one_clear_line(name, cure, tmp_path):
    (tmp_path / "folder").mkdir()
    (tmp_path / "rules.txt").write_text("")
    with pytest.raises(PluginError, match=f"plugin: expected a Python file, found .*{name}: .*{cure}"):
        load_plugins([tmp_path / name])


def test_installed_plugins_are_loaded_and_broken_ones_named(monkeypatch):
    class Point:
        value = "their_rules"

        def load(self):
            register("goodness", "theirs")(dict)

    class Broken(Point):
        def load(self):
            raise RuntimeError("no")

    for point, found in ((Point(), True), (Broken(), False)):
        monkeypatch.setattr(registry, "entry_points", lambda group, point=point: [point])
        registry.load_installed.cache_clear()
        try:
            if found:
                assert "theirs" in menu("goodness")
            else:
                with pytest.raises(PluginError, match=r"plugin their_rules: .*found RuntimeError: no"):
                    menu("goodness")
        finally:
            registry.ENTRIES["goodness"].pop("theirs", None)
    monkeypatch.undo()
    registry.load_installed.cache_clear()


def test_a_recipe_of_ones_own_is_found_by_name(plugin):
    made = recipe("recurrent-digits").override({"epochs": 3})
    register("recipe", "mine")(lambda: made)
    assert ffrec.recipe("mine") == made
    with pytest.raises(ConfigError, match="unknown recipe 'mime': did you mean mine"):
        ffrec.recipe("mime")

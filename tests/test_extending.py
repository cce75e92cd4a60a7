"""docs/extending.md: every example runs, and what it adds to a menu trains."""

import re
from pathlib import Path

import pytest

import corpora
from ffrec import registry
from ffrec.training.images import ImageTrainer

PAGE = Path(__file__).parent.parent / "docs" / "extending.md"
EXAMPLES = dict(re.findall(r"<!-- example: (\w+) -->\n```python\n(.*?)```", PAGE.read_text(), re.DOTALL))
LOOPS = ("loop", "convolutions")
PARTS = [name for name in EXAMPLES if name not in LOOPS]


@pytest.fixture
def menus(monkeypatch):
    """The menus as they are; what an example adds is gone afterwards."""
    registry.menus()
    for name, entries in registry.ENTRIES.items():
        monkeypatch.setitem(registry.ENTRIES, name, dict(entries))
    monkeypatch.setattr(corpora.menu, "DATASETS", dict(corpora.menu.DATASETS))
    monkeypatch.setattr(corpora, "DATASETS", corpora.menu.DATASETS)


def run(name: str) -> dict:
    """The names that an example leaves behind."""
    module = {"__name__": f"example_{name}"}
    exec(compile(EXAMPLES[name], f"{PAGE.name}: {name}", "exec"), module)
    return module


def test_the_page_has_all_the_parts():
    assert set(EXAMPLES) == {"goodness", "objective", "negatives", "connection", "data", "network", *LOOPS}
    assert all(len(code.strip().splitlines()) <= 40 for code in EXAMPLES.values())


@pytest.mark.parametrize("name", PARTS)
def test_a_part_of_ones_own_trains(name, menus):
    recipe = run(name)["recipe"].override({"epochs": 5, "rate": 4e-3})
    corpus = corpora.load_images(recipe.data)
    classes = len(corpus.description.classes)
    trainer = ImageTrainer(recipe, corpus.train.images, corpus.train.labels, classes)
    *_, last = trainer.run(None, trainer.held_out(corpus.validation))
    assert last.record["validation"]["error_goodness"] < 25


@pytest.mark.parametrize("name", LOOPS)
def test_layers_learn_in_a_loop_of_ones_own(name):
    assert min(run(name)["accuracy"]) > 0.9

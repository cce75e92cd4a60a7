"""Local rules and baselines side by side: same layers, images and epochs, another rule in every row."""

import difflib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from fnmatch import fnmatchcase
from typing import Any

from ffrec.config import ConfigError, ImageRecipe
from ffrec.reports.groups import Group, groups
from ffrec.reports.summary import Summary
from ffrec.reports.tables import table
from ffrec.storage.files import RunError
from ffrec.studies.rules import CELLS, CHOSEN, DATA
from ffrec.tasks.recorded import plain

HEAD = (
    "data",
    "variant",
    "source",
    "differs in",
    "chosen",
    "seeds",
    "test error by goodness, %",
    "by softmax, %",
    "epochs",
    "minutes",
)


def chosen(patterns: Sequence[str], settings: Mapping[str, Any]) -> dict[str, ImageRecipe]:
    """The recipe of every cell whose name matches any of the patterns, by that name, with `settings` on top;
    without patterns all cells but those of the digits. Raises ConfigError for a pattern that matches none.
    """
    for pattern in patterns:
        if not any(fnmatchcase(name, pattern) for name in CELLS):
            near = difflib.get_close_matches(pattern, CELLS, n=1)
            rules = ", ".join(dict.fromkeys(variant for _, variant in CELLS.values()))
            menu = f"expected DATA-RULE of {', '.join(DATA)} and {rules}"
            hint = f"did you mean {near[0]!r}?" if near else menu
            raise ConfigError(f"no cell matches {pattern!r}: {hint}")
    asked = patterns or ("mnist-*", "fashion-mnist-*", "cifar-10-*")
    names = [name for name in CELLS if any(fnmatchcase(name, pattern) for pattern in asked)]
    return {name: recipe_of(name, settings) for name in names}


def recipe_of(name: str, settings: Mapping[str, Any], searched: bool = True) -> ImageRecipe:
    """The recipe of a cell with `settings` on top, validated after its last epoch. Unless `searched`, it is
    the rule as it stands in the menu, without the settings that a search has chosen."""
    data, called = CELLS[name]
    budget = DATA[data]
    variant = budget.variants[called]
    made = ImageRecipe(
        name=f"variant-{name}",
        paper="–",
        data=data,
        network=variant.kind(hidden=budget.hidden, **variant.network),
        training=replace(budget.training, **variant.training),
    )
    try:
        made = made.override({**(CHOSEN.get(name, {}) if searched else {}), **settings})
    except ConfigError as error:
        raise ConfigError(f"{name}: {error}") from None
    if "validate_every" in settings:
        return made
    return made.override({"validate_every": made.training.epochs})


def variants_table(runs: Iterable[Summary]) -> str:
    """A row for every cell that has finished runs, mean ± standard deviation over their seeds; runs that
    differ in anything else have rows of their own. "" without any.

    Raises RunError where two runs of a row have the same seed.
    """
    defaults = {recipe.name: plain(recipe) for recipe in chosen(["*"], {}).values()}
    return table(HEAD, [cells(group) for group in groups(runs, defaults) if group.name in defaults])


def cells(group: Group) -> list[str]:
    """One row: what differs between seeds as a mean."""
    data, called = CELLS[group.name.removeprefix("variant-")]
    variant, seeds = DATA[data].variants[called], [result["seed"] for result in group.results]
    if len({*seeds}) < len(seeds):
        raise RunError(f"{group.name}: expected runs with different seeds, found {seeds}: leave a folder out")
    scored = group.first.measure == "error_goodness"
    return [
        data,
        f"{called}{group.settings}{group.arithmetic}",
        variant.source,
        variant.differs,
        in_brief(CHOSEN.get(group.name.removeprefix("variant-"), {})),
        str(len(seeds)),
        group.of_test("error_goodness") if scored else "–",
        group.of_test("error_softmax"),
        str(group.first.recipe["training"]["epochs"]),
        group.minutes,
    ]


def in_brief(settings: Mapping[str, float]) -> str:
    """Settings that a search has chosen; a dash where there was none."""
    return ", ".join(f"`{key}={value:g}`" for key, value in settings.items()) or "–"

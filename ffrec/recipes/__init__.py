"""Every run that the README reports, as one complete configuration."""

import difflib
from collections.abc import Callable

from ffrec.config import ConfigError, Recipe
from ffrec.recipes import feedforward, recurrent, sleep, text

MAKERS: tuple[Callable[[], Recipe], ...] = (
    *recurrent.MAKERS,
    *feedforward.MAKERS,
    *sleep.MAKERS,
    *text.MAKERS,
)
RECIPES = {make().name: make for make in MAKERS}


def recipe(name: str) -> Recipe:
    """The recipe of that name; raises ConfigError, naming the nearest one, if there is none."""
    if name in RECIPES:
        return RECIPES[name]()
    near = difflib.get_close_matches(name, RECIPES, n=1)
    hint = f"did you mean {near[0]}?" if near else f"choose from {', '.join(RECIPES)}"
    raise ConfigError(f"unknown recipe {name!r}: {hint}")

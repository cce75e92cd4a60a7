"""Every run that the README reports, as one complete configuration."""

from collections.abc import Callable

from ffrec import registry
from ffrec.config import ConfigError, Recipe
from ffrec.recipes import convolutional, feedforward, recurrent, sleep, text, twins

MAKERS: tuple[Callable[[], Recipe], ...] = (
    *recurrent.MAKERS,
    *feedforward.MAKERS,
    *convolutional.MAKERS,
    *sleep.MAKERS,
    *twins.MAKERS,
    *text.MAKERS,
)
RECIPES = {make().name: registry.register("recipe", make().name)(make) for make in MAKERS}


def recipe(name: str) -> Recipe:
    """The recipe of that name, ours or one on the menu `recipe`; raises ConfigError, naming the nearest one,
    if there is none."""
    try:
        made: Recipe = registry.pick("recipe", name)()
    except registry.UnknownName as error:
        raise ConfigError(str(error)) from None
    return made

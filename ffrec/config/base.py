"""What all configurations share: how strict they are, names on menus, shares from 0 to 1, and the one
error."""

from typing import Annotated

from pydantic import AfterValidator, ConfigDict, Field

from ffrec import registry

STRICT = ConfigDict(extra="forbid", allow_inf_nan=False)
Share1 = Annotated[float, Field(ge=0, le=1)]
Share = Annotated[float, Field(ge=0, lt=1)]


class ConfigError(Exception):
    """A configuration that cannot be: one line saying what was expected, what was found, what to do."""


def on_menu(menu: str) -> AfterValidator:
    """A name that is on a menu: the error suggests the nearest one."""

    def check(name: str) -> str:
        try:
            return registry.known(name, registry.menu(menu), menu)
        except registry.UnknownName as error:
            raise ValueError(f"{error} (--plugin FILE.py adds your own)") from None

    return AfterValidator(check)

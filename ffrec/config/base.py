"""What all configurations share: how strict they are, names on menus, shares from 0 to 1, which values can
be stored and computed with, and the one error."""

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import AfterValidator, ConfigDict, Field

from ffrec import registry

STRICT = ConfigDict(extra="forbid", allow_inf_nan=False, use_attribute_docstrings=True)
Share1 = Annotated[float, Field(ge=0, le=1)]
Share = Annotated[float, Field(ge=0, lt=1)]
WHOLE = 2**63  # whole numbers that a tensor holds are below this
SMALLEST, LARGEST = 2.0**-126, (2 - 2.0**-23) * 2.0**127  # normal numbers of float32, by their size


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


def check_levels(reads: tuple[int, ...], layers: int) -> None:
    """Raise ValueError unless `reads` names different levels of so many hidden layers."""
    if max(reads, default=0) > layers:
        raise ValueError(f"reads names level {max(reads)} but there are {layers}")
    if len(set(reads)) < len(reads):
        raise ValueError(f"reads names a level twice: {reads}")


def check_plain(value: Any, name: str) -> None:
    """Raise ConfigError, naming the setting, for a value that JSON cannot store or float32 cannot compute
    with: a date, a whole number beyond 64 bits, a number that would become 0 or infinite."""
    if isinstance(value, Mapping):
        for key, part in value.items():
            check_plain(part, f"{name}.{key}".strip("."))
    elif isinstance(value, list | tuple):
        for part in value:
            check_plain(part, name)
    elif isinstance(value, bool | str | None):
        return
    elif isinstance(value, int):
        if not -WHOLE <= value < WHOLE:
            raise ConfigError(
                f"{name}: expected a whole number of 64 bits, found {brief(value)}: give another"
            )
    elif not isinstance(value, float):
        raise ConfigError(
            f"{name}: expected a number, a word, true or false, or a list of these, found "
            f"{type(value).__name__} {value}: give another"
        )
    elif value and not SMALLEST <= abs(value) <= LARGEST:  # also of nan
        raise ConfigError(
            f"{name}: expected 0, or a number of float32 ({SMALLEST:.3g} to {LARGEST:.3g}), found {value}: "
            "give another"
        )


def brief(value: int) -> str:
    """A whole number, or how large it is."""
    return str(value) if abs(value) < 10**30 else f"one of {value.bit_length()} bits"

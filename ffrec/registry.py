"""Menus: named parts that a configuration can ask for, ours and the user's own. Imports nothing of ffrec.

    @ffrec.register("goodness", "l4")
    class L4(ffrec.Goodness): ...

A menu is filled when it is first asked for: by the module that holds ffrec's own entries, by every entry
point of the group `ffrec.plugins` that is installed, and by the files given with `--plugin`.
"""

import difflib
import importlib
import importlib.util
import os
import sys
import zlib
from collections.abc import Callable, Iterable, Mapping
from functools import cache
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any, TypeVar

T = TypeVar("T")
FEW = 20
"""Names that an error lists at the most."""

HOME = {  # where ffrec's own entries of each menu are
    "activation": ("ffrec.learning.activation",),
    "connection": ("ffrec.learning.connection",),
    "goodness": ("ffrec.learning.goodness", "ffrec.learning.scores"),
    "objective": ("ffrec.learning.objective",),
    "agreement": ("ffrec.learning.agreement",),
    "negatives": ("ffrec.negatives.labels", "ffrec.negatives.hybrids"),
    "network": ("ffrec.networks", "ffrec.baselines.perceptron", "ffrec.baselines.convolutions"),
    "config": ("ffrec.config",),
    "rate schedule": ("ffrec.training.optimiser",),
    "regime": ("ffrec.training.phases",),
    "recipe": ("ffrec.recipes",),
}
ENTRIES: dict[str, dict[str, Any]] = {menu: {} for menu in HOME}


class UnknownName(Exception):
    """A name that is not on a menu: one line with the nearest one, or with all of them."""


class PluginError(Exception):
    """A plugin that cannot be imported: one line saying what was expected, what was found, what to do."""


def register(menu: str, name: str) -> Callable[[T], T]:
    """Put a class or function on a menu under a name; to be used as a decorator.

    Raises UnknownName for a menu that does not exist, and ValueError for a name that is taken.
    """
    entries = ENTRIES[known(menu, ENTRIES, "menu")]

    def put(part: T) -> T:
        if entries.setdefault(name, part) is not part and place(entries[name]) != place(part):
            raise ValueError(f"{menu} {name!r} is taken by {place(entries[name])}: choose another name")
        entries[name] = part
        return part

    return put


def place(part: Any) -> str:
    """Where a part was defined: the same for a module that is imported again."""
    return f"{getattr(part, '__module__', '')}.{getattr(part, '__qualname__', repr(part))}"


def menu(name: str) -> Mapping[str, Any]:
    """All entries of a menu by name; raises UnknownName."""
    fill(known(name, ENTRIES, "menu"))
    load_installed()
    return ENTRIES[name]


def menus() -> dict[str, dict[str, Any]]:
    """Every menu with all of its entries."""
    return {name: dict(menu(name)) for name in ENTRIES}


def pick(name: str, entry: str) -> Any:
    """The entry of that name on a menu; raises UnknownName, suggesting the nearest one."""
    entries = menu(name)
    return entries[known(entry, entries, name)]


def known(name: str, names: Iterable[str], what: str) -> str:
    """The name itself if it is among the names; raises UnknownName."""
    if name in (names := list(names)):
        return name
    near = difflib.get_close_matches(name, names, n=1)
    if near:
        hint = f"did you mean {near[0]}?"
    elif len(names) <= FEW:
        hint = f"choose from {', '.join(names)}"
    else:
        command = "ffrec ls" if what == "recipe" else "ffrec ls --menus"
        hint = f"`{command}` lists all {len(names)}"
    raise UnknownName(f"unknown {what} {name!r}: {hint}")


@cache
def fill(name: str) -> None:
    """Import the modules that hold ffrec's own entries of a menu."""
    for module in HOME[name]:
        importlib.import_module(module)


@cache
def load_installed() -> None:
    """Import every installed plugin: a package's entry point of the group `ffrec.plugins`."""
    for point in entry_points(group="ffrec.plugins"):
        try:
            point.load()
        except Exception as error:
            raise PluginError(
                f"plugin {point.value}: expected a module that can be imported, found "
                f"{type(error).__name__}: {error}: mend or uninstall it"
            ) from error


def load_plugins(files: Iterable[Path]) -> None:
    """Import users' own files, which call `register`; a file is imported once. Raises PluginError."""
    for file in files:
        load_plugin(Path(os.path.realpath(file)))  # not `resolve`, which raises for links in a circle


@cache
def load_plugin(file: Path) -> None:
    """Import one file as a module of its own."""
    name = f"ffrec_plugin_{file.stem}_{zlib.crc32(bytes(file)):08x}"  # two files may have one stem
    spec = importlib.util.spec_from_file_location(name, file)
    if file.suffix != ".py" or not file.is_file() or spec is None or spec.loader is None:
        found = (
            f"another, {file}: its name has to end in .py"
            if file.is_file()
            else f"no file at {file}: check the path"
        )
        raise PluginError(f"plugin: expected a Python file, found {found}")
    sys.modules[name] = module = importlib.util.module_from_spec(spec)  # dataclasses look there
    try:
        spec.loader.exec_module(module)
    except (Exception, SystemExit) as error:  # a script may end itself
        del sys.modules[name]
        raise PluginError(
            f"plugin {file}: expected a file that can be imported, found {type(error).__name__}: {error}: "
            "mend it"
        ) from error

"""The command that repeats a run, from what its folder says."""

import json
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ffrec.reports.summary import Summary, flat
from ffrec.storage.run_folder import UNLEARNT

FIXED = (*UNLEARNT, "kind")
"""Settings that are no part of a command: those that change nothing, and the network's kind."""


def toml(value: Any) -> str:
    """A JSON value in the TOML that `--set` reads."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{json.dumps(key)} = {toml(part)}" for key, part in value.items()) + "}"
    if value is None:
        return "none"
    if isinstance(value, list):
        return "[" + ",".join(toml(part) for part in value) + "]"
    return json.dumps(value)


def settings(run: Summary, default: Mapping[str, Any] | None) -> str:
    """The `--set`, `--text` and `--images` words that turn a recipe's default into this run's; "" if none do.

    A recipe that has no default any more is described by all of its settings.
    """
    words = [changes(run.recipe, default)]
    if default and run.recipe["data"] != default["data"]:
        option = "--text" if run.kind == "text" else "--images"
        words.append(f" {option} {shlex.quote(Path(run.recipe['data']).name)}")
    return "".join(words)


def changes(recipe: Mapping[str, Any], default: Mapping[str, Any] | None) -> str:
    """The `--set` words that turn a default into a recipe, from plain values; "" if none do."""
    base = flat(default) if default else {}
    changed = {
        key: value
        for key, value in flat(recipe).items()
        if key not in FIXED and (key not in base or base[key] != value)
    }
    return "".join(f" --set {shlex.quote(f'{key}={toml(value)}')}" for key, value in changed.items())


def arithmetic(run: Summary) -> str:
    """The `--precision` words of a run, as what `auto` is depends on the machine; and those of local SGD."""
    words, apart = f" --precision {run.config['precision']}", run.config.get("local_sgd", {})
    if apart:
        words += f" --sync-every {apart['sync_every']}"
    if apart.get("outer_momentum"):
        words += f" --outer-momentum {apart['outer_momentum']}"
    return words + (f" ({apart['processes']} processes)" if apart else "")

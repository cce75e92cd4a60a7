"""How older run folders are read: the one table of settings that have been renamed or removed since."""

from collections.abc import Mapping
from typing import Any

from ffrec.config.base import ConfigError

RENAMED: dict[str, dict[str, str]] = {  # old key: today's
    "network": {},
    "training": {"awake": "wake", "asleep": "sleep"},
}
REMOVED: dict[str, dict[str, Any]] = {  # old key: the value that is what happens today
    "network": {"chunk": 0, "scale": "mean"},
    "training": {"schedule_options": {}},
}
KINDS = {  # a key that only configurations of one kind of network have
    "iterations": "recurrent",
    "learns": "backprop",
    "lookahead": "character",
    "label": "feedforward",
}


def modern(values: object) -> dict[str, Any]:
    """A recipe's plain values with today's keys.

    Raises ConfigError if they are no recipe's, or have a setting that is gone with a value that mattered.
    """
    if not isinstance(values, Mapping):
        raise ConfigError(f"recipe: expected its settings, found {values!r}: restore config.json")
    parts = {part: values.get(part) for part in ("network", "training")}
    for part, held in parts.items():
        if not isinstance(held, Mapping):
            raise ConfigError(f"recipe: expected settings of its {part}, found {held!r}: restore config.json")
    changed = dict(values)
    for part, held in parts.items():
        settings = {RENAMED[part].get(key, key): value for key, value in dict(held or {}).items()}
        for key, harmless in REMOVED[part].items():
            if settings.pop(key, harmless) != harmless:
                raise ConfigError(
                    f"{part}.{key}: this setting is gone, and the run's value cannot be repeated"
                )
        changed[part] = settings
    network = changed["network"]
    if network.get("objective") in ("max", "min"):
        network["activity"] = network.pop("objective")
    if changed["training"].get("regime", "night") != "night":
        changed["training"].pop("night", None)  # it was ignored there
    if network.get("centring") == 0:  # it was a share for a while
        network["centring"] = False
    if "kind" not in network:
        network["kind"] = next((kind for key, kind in KINDS.items() if key in network), "recurrent")
    return changed

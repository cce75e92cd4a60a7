"""What was measured of finished runs after their training, the seeds of one recipe together."""

import statistics
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel

from ffrec.reports.command import settings
from ffrec.reports.groups import Defaults, spread
from ffrec.reports.summary import Summary
from ffrec.storage.files import RunError, read_json
from ffrec.storage.run_folder import epochs_of


@dataclass(frozen=True)
class Measured:
    """Runs that differ in their seed alone, and what one file of each holds."""

    name: str
    """The recipe's, with the settings that differ from its default."""
    found: tuple[dict[str, Any], ...]

    @property
    def first(self) -> dict[str, Any]:
        """Of the first run, for what they all share."""
        return self.found[0]

    @property
    def title(self) -> str:
        """The name, and the seeds."""
        seeds = ", ".join(str(found["seed"]) for found in self.found)
        return f"{self.name} (seed{'s' * (len(self.found) > 1)} {seeds})"

    def values(self, *path: str | int) -> list[float]:
        """One number of every run, by the keys and places that lead to it; empty where a run has none."""
        values = [at(found, path) for found in self.found]
        return [float(value) for value in values] if all(isinstance(v, int | float) for v in values) else []

    def mean(self, *path: str | int) -> list[float]:
        """A list of numbers, averaged over the runs; empty where a run has none."""
        every = [at(found, path) for found in self.found]
        if not all(isinstance(each, list) and each for each in every):
            return []
        return [statistics.mean(values) for values in zip(*every, strict=False)]

    def spread(self, *path: str | int, digits: int = 2) -> str:
        """Mean ± standard deviation of one number over the runs; a dash where a run has none."""
        values = self.values(*path)
        return spread(values, digits) if values else "–"


def at(value: Any, path: Iterable[str | int]) -> Any:
    """The part of a JSON value that keys and places lead to; None if there is none."""
    for step in path:
        try:
            value = value[step]
        except (KeyError, IndexError, TypeError):
            return None
    return value


def stored(run: Summary, file: str, shape: type[BaseModel]) -> dict[str, Any] | None:
    """What a file of a run holds, or None if it is not there; raises RunError if it is damaged."""
    path = run.path / file
    return read_json(path, shape, "remove it, and measure again") if path.is_file() else None


def measured(
    runs: Iterable[Summary], defaults: Defaults, file: str, shape: type[BaseModel], command: str
) -> list[Measured]:
    """What a file of every run holds, in groups of one recipe and its settings, in the order of the runs.

    Raises RunError, saying what to do, if a run has no such file, or has been trained on since, or if two
    runs are of one recipe, settings and seed.
    """
    together: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for run in runs:
        found = stored(run, file, shape)
        if found is None:
            raise RunError(f"{run.path} has no {file}: `{command} {run.path}` makes one")
        if found["epochs"] != (epochs := epochs_of(run.metrics)):
            raise RunError(
                f"{run.path / file} is of epoch {found['epochs']}, the run of epoch {epochs}: "
                f"`{command} {run.path}` makes another"
            )
        members = together[run.name + settings(run, defaults.get(run.name))]
        if any(each["seed"] == found["seed"] for each in members):
            raise RunError(
                f"{run.path}: expected runs that differ in settings or seed, found another one of seed "
                f"{found['seed']}: leave one of them out"
            )
        members.append(found)
    return [Measured(name, tuple(members)) for name, members in together.items()]

"""Runs that differ in their seed alone, and the mean of what they reached."""

import statistics
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from ffrec.reports.command import arithmetic, settings
from ffrec.reports.summary import Summary

Defaults = Mapping[str, Mapping[str, Any]]
"""The plain values of every recipe, as it is today, by its name."""


@dataclass(frozen=True)
class Group:
    """Finished runs of one recipe with the same settings, arithmetic, device, version of torch and text."""

    name: str
    settings: str
    arithmetic: str
    where: str
    runs: tuple[Summary, ...]

    @property
    def first(self) -> Summary:
        """One of the runs, for what they all share."""
        return self.runs[0]

    @property
    def results(self) -> list[dict[str, Any]]:
        """What the runs reached."""
        return [run.result for run in self.runs if run.result]

    @property
    def command(self) -> str:
        """What makes one of the runs, seed S."""
        return f"ffrec train {self.name}{self.settings}{self.arithmetic} --seed S"

    @property
    def minutes(self) -> str:
        """Of training, the mean over the runs."""
        return f"{statistics.mean(result['seconds'] for result in self.results) / 60:.1f}"

    @property
    def processor_minutes(self) -> str:
        """Of training, in the first process, the mean over the runs; – where not all folders say."""
        used = [result["processor_seconds"] for result in self.results if result.get("processor_seconds")]
        return f"{statistics.mean(used) / 60:.1f}" if len(used) == len(self.results) else "–"

    @property
    def hardware(self) -> str:
        """Device, version of torch, and the processors that the folders name."""
        named = (run.environment.get("processor") for run in self.runs)
        return ", ".join([self.where, *sorted({str(name) for name in named if name})])

    def of_test(self, key: str) -> str:
        """Mean ± standard deviation of one number measured on the test set."""
        return spread([result["test"][key] for result in self.results])


def spread(values: list[float], digits: int = 2) -> str:
    """Mean ± standard deviation; the mean alone of one value."""
    mean = f"{statistics.mean(values):.{digits}f}"
    return f"{mean} ± {statistics.stdev(values):.{digits}f}" if len(values) > 1 else mean


def in_words(measure: str, found: str) -> str:
    """A number of the test set as it is written in a sentence."""
    return f"perplexity {found}" if measure == "perplexity" else f"{found} %"


def groups(runs: Iterable[Summary], defaults: Defaults) -> list[Group]:
    """Finished runs in groups: in the order of the recipes, a recipe's default settings before all others."""
    found: dict[tuple[str, str, str, str, str], list[Summary]] = defaultdict(list)
    for run in runs:
        if run.result:
            changed = settings(run, defaults.get(run.name))
            where = f"{run.result['device']}, torch {run.environment.get('torch')}"
            data = run.config.get("text") or run.config.get("data_sha256", "")
            found[run.name, changed, arithmetic(run), where, data].append(run)
    rank = {name: place for place, name in enumerate(defaults)}
    made = [Group(*key[:4], tuple(members)) for key, members in found.items()]
    return sorted(made, key=lambda g: (rank.get(g.name, len(rank)), g.name, g.settings, g.arithmetic))

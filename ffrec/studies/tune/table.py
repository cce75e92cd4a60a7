"""What a search found: a table, what mattered, and the command of the best, from what `tune.json` holds."""

import json
import shlex
import statistics
from collections import Counter
from collections.abc import Mapping
from typing import Any, NamedTuple

import optuna
from optuna.distributions import BaseDistribution, json_to_distribution
from optuna.importance import FanovaImportanceEvaluator, get_param_importances
from optuna.trial import create_trial

from ffrec.reports.command import changes, toml
from ffrec.reports.groups import spread
from ffrec.reports.tables import table

PARTS = ("network", "training")
WORDS = {"fail": "failed"}
SHOWN = 10  # rows of the table
NAMES = {"error_goodness": "error by goodness, %", "error_softmax": "error by softmax, %"}


class Row(NamedTuple):
    """One combination of settings, and what it reached with each of its seeds."""

    number: int
    settings: Mapping[str, Any]
    values: list[float]
    epochs: int
    minutes: float

    @property
    def mean(self) -> float:
        return statistics.mean(self.values)


def rows(search: Mapping[str, Any]) -> list[Row]:
    """Complete trials: those that were run with more seeds first, then the others; the best first."""
    found = [row_of(trial) for trial in tried(search)]
    return sorted(found, key=lambda row: (len(row.values) < 2, row.mean, row.number))


def tried(search: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Complete trials, none twice with the same settings."""
    return [t for t in search["trials"] if t["state"] == "complete" and "same_as" not in t]


def row_of(trial: Mapping[str, Any]) -> Row:
    """A trial with its repeats; a repeat that diverged has no value."""
    runs = [trial, *(run for run in trial["repeats"] if run["value"] is not None)]
    minutes = statistics.mean(run["seconds"] for run in runs) / 60
    return Row(trial["number"], trial["settings"], [run["value"] for run in runs], trial["epochs"], minutes)


def measure(search: Mapping[str, Any]) -> str:
    """What trials are compared by, in words."""
    found = {trial["measure"] for trial in tried(search)}
    return "validation " + (NAMES.get(min(found), min(found)) if len(found) == 1 else "error, %")


def distributions(search: Mapping[str, Any]) -> dict[str, BaseDistribution]:
    """What each setting was drawn from."""
    return {name: json_to_distribution(text) for name, text in search["distributions"].items()}


def importances(search: Mapping[str, Any]) -> dict[str, float]:
    """The share of the variance of complete trials' errors that each setting explains alone, by fANOVA, the
    most important first; empty where there is nothing to explain.

    Source: Hutter, Hoos and Leyton-Brown 2014.
    """
    trials, drawn = tried(search), distributions(search)
    if len({trial["value"] for trial in trials}) < 2:
        return {}
    study = optuna.create_study()
    for trial in trials:
        study.add_trial(create_trial(params=trial["params"], distributions=drawn, value=trial["value"]))
    return get_param_importances(study, evaluator=FanovaImportanceEvaluator(seed=0))


def results(search: Mapping[str, Any]) -> str:
    """The table of the best, in Markdown; "" without a complete trial."""
    found = rows(search)[:SHOWN]
    differ = [n for n in search["space"] if len({json.dumps(row.settings[n]) for row in rows(search)}) > 1]
    head = ["rank", "trial", f"{measure(search)} ± std (n)" if found else "", *differ, "epochs", "minutes"]
    return table(
        head,
        [
            [
                str(rank),
                str(row.number),
                f"{spread(row.values)} ({len(row.values)})",
                *(toml(row.settings[name]) for name in differ),
                str(row.epochs),
                f"{row.minutes:.1f}",
            ]
            for rank, row in enumerate(found, 1)
        ],
    )


def counts(search: Mapping[str, Any]) -> list[str]:
    """How the trials ended, and why some were refused, in lines."""
    ends = Counter(trial["state"] for trial in search["trials"])
    states = ", ".join(f"{count} {WORDS.get(state, state)}" for state, count in ends.items())
    lines = [f"trials: {len(search['trials'])}, of which {states}"]
    if again := sum("same_as" in trial for trial in search["trials"]):
        lines.append(f"{again} of them had the settings of another one, and were not run again")
    reasons = Counter(
        trial["reason"]
        for trial in search["trials"]
        if trial.get("reason") and not trial["reason"].startswith("pruned after epoch ")
    )
    return [*lines, *(f"{count} × {reason}" for reason, count in reasons.most_common())]


def command(search: Mapping[str, Any]) -> str:
    """What trains the best once more; the search has to have a complete trial."""
    best, recipe = rows(search)[0], search["recipe"]
    parts = {part: {n: best.settings.get(n, v) for n, v in recipe[part].items()} for part in PARTS}
    words = changes({**recipe, **parts}, search["default"])
    plugins = "".join(f" --plugin {shlex.quote(name)}" for name in search["plugins"])
    end = f" --precision {search['precision']} --seed {search['seed']}{plugins}"
    return f"ffrec train {recipe['name']}{words}{end}"


def remarks(search: Mapping[str, Any], found: Mapping[str, float]) -> list[str]:
    """What a search has to say beside its table, given the importance of its settings, in lines."""
    lines = counts(search)
    if found:
        shares = ", ".join(f"{name} {share:.2f}" for name, share in found.items())
        lines.append(f"importance (fANOVA, {len(tried(search))} complete trials): {shares}")
    if rows(search):
        lines.append(f"best: {command(search)}")
    return lines

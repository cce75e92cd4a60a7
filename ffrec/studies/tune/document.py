"""What `tune.json` holds: a search as far as it has come, enough for its table and its picture."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Self

from optuna.distributions import distribution_to_json, json_to_distribution
from optuna.trial import FrozenTrial, TrialState
from pydantic import AfterValidator, FiniteFloat, model_validator

from ffrec.recipes import recipe as default
from ffrec.storage.files import RunError, read_json
from ffrec.storage.schemas import Count, Number, Open, Recipe, Word
from ffrec.tasks.recorded import plain

if TYPE_CHECKING:
    from ffrec.studies.tune.search import Search

FILE = "tune.json"


class Repeat(Open):
    seed: Count
    value: Number
    seconds: FiniteFloat


class Tried(Open):
    """A trial; a complete one has all of this."""

    number: Count
    state: Word
    value: Number
    params: dict[Word, Any]
    settings: dict[Word, Any]
    validation: dict[Word, Number]
    repeats: list[Repeat]
    epochs: Count = 0
    seconds: FiniteFloat = 0.0
    measure: Word = ""
    reason: Word = ""

    @model_validator(mode="after")
    def complete(self) -> Self:
        if self.state == "complete" and (self.value is None or "measure" not in self.model_fields_set):
            raise ValueError("a complete trial has a value and a measure")
        return self


class Document(Open):
    """tune.json."""

    recipe: Recipe
    default: Recipe
    space: dict[Word, Any]
    seed: Count
    precision: Word
    plugins: list[Word]
    distributions: dict[Word, Annotated[Word, AfterValidator(json_to_distribution)]]
    trials: list[Tried]


def document(search: "Search") -> dict[str, Any]:
    """The search as plain JSON values."""
    attributes = search.study.user_attrs
    kept = ("recipe", "space", "seed", "precision", "sampler", "pruner", "plugins")
    drawn = {name: distribution_to_json(each) for name, each in search.space.distributions.items()}
    repeats: dict[int, list[dict[str, Any]]] = {}
    for name, found in attributes.items():
        if name.startswith("repeat "):
            number, seed = map(int, name.split()[1:])
            repeats.setdefault(number, []).append({"seed": seed, **found})
    return {
        **{name: attributes[name] for name in kept},
        "default": plain(default(search.recipe.name)),
        "distributions": drawn,
        "trials": [entry(search, trial, repeats.get(trial.number, [])) for trial in search.trials()],
    }


def entry(search: "Search", trial: FrozenTrial, repeats: list[dict[str, Any]]) -> dict[str, Any]:
    """One trial; a pruned one's value is that of its last validation."""
    found = {name: value for name, value in trial.user_attrs.items() if name != "starts"}
    return {
        "number": trial.number,
        "state": trial.state.name.lower(),
        "value": trial.values[0] if trial.state == TrialState.COMPLETE else None,
        "params": trial.params,
        "settings": search.space.settings(trial.params) if search.known(trial) else {},
        "validation": {str(epoch): value for epoch, value in sorted(trial.intermediate_values.items())},
        "repeats": sorted(repeats, key=lambda repeat: int(repeat["seed"])),
        **found,
    }


def read(folder: Path) -> dict[str, Any]:
    """The search of a folder; raises RunError if there is none."""
    if not (folder / FILE).is_file():
        raise RunError(f"{folder}: expected a search, found no {FILE}: run `ffrec tune` first")
    return read_json(folder / FILE, Document, "run the same `ffrec tune` again to have it written anew")

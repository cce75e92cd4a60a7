"""A run of a search: a trial, or its repeat with another seed, and how it ends."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from optuna.trial import Trial, TrialState

from ffrec.config import Recipe
from ffrec.reports.summary import measure_of

if TYPE_CHECKING:
    from ffrec.studies.tune.search import Search


class Ended(NamedTuple):
    """How a run ended: what it reached, or why it was stopped."""

    value: float | None = None
    epochs: int = 0
    seconds: float = 0.0
    measure: str = ""
    reason: str = ""


def repeat_name(number: int, seed: int) -> str:
    """What the record calls the repeat of a trial with another seed."""
    return f"repeat {number} {seed}"


class Job:
    """A run of a search that this process works on, and nobody else: here the repeat of a trial."""

    def __init__(
        self, search: "Search", number: int, recipe: Recipe, seed: int, settings: Mapping[str, Any]
    ) -> None:
        self.search, self.number, self.recipe, self.seed = search, number, recipe, seed
        self.settings, self.path = settings, search.path(number, seed)
        self.ended: Ended | None = None
        """How it ended; a run that is given back without one is taken up again."""

    @property
    def name(self) -> str:
        """What people call it."""
        return f"trial {self.number}" + (f", seed {self.seed}" if self.seed != self.search.seed else "")

    def hopeless(self, _record: Mapping[str, Any]) -> bool:
        """Whether the run should be stopped, after a validation; a repeat never is."""
        return False

    def close(self) -> None:
        """Write down how it ended."""
        if self.ended:
            found = {key: value for key, value in self.ended._asdict().items() if key != "measure"}
            self.search.study.set_user_attr(repeat_name(self.number, self.seed), found)
            self.search.write()


class TrialJob(Job):
    """The run of a trial."""

    def __init__(
        self,
        search: "Search",
        number: int,
        recipe: Recipe,
        seed: int,
        settings: Mapping[str, Any],
        trial: Trial,
        reported: frozenset[int],
    ) -> None:
        super().__init__(search, number, recipe, seed, settings)
        self.trial, self.reported = trial, reported

    def hopeless(self, record: Mapping[str, Any]) -> bool:
        """Report a validation, and ask the pruner; the last epoch's comes too late to save anything."""
        epoch, value = record["epoch"], measured(record)[1]
        with self.search.locked():
            if epoch not in self.reported:  # by a process that died before its checkpoint
                self.trial.report(value, epoch)
                self.reported |= {epoch}
            return epoch < self.recipe.training.epochs and self.trial.should_prune()

    def close(self) -> None:
        if self.ended is None:  # stopped, not killed: that is not held against it
            starts = self.search.trials()[self.number].user_attrs["starts"]
            self.trial.set_user_attr("starts", starts - 1)
        else:
            state = TrialState.PRUNED if self.ended.reason else TrialState.COMPLETE
            self.search.end(self.trial, state, self.ended)


def measured(record: Mapping[str, Any]) -> tuple[str, float]:
    """What an epoch's validation is compared by, and its value: the error by goodness, by the softmax where
    labels have no goodness, or the perplexity."""
    name = measure_of(record["validation"])
    return name, float(record["validation"][name])

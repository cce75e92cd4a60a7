"""A sweep: a grid whose cells are run by processes that share a folder (`shared`).

The record has one trial for every attempt at a cell. A cell whose trial is RUNNING but whose lock is free has
been left: that attempt failed, and the next one goes on from the cell's last checkpoint.

A trial is added with its cell, in one record, under the study's lock. Asking Optuna's grid sampler for one is
two records, gives one cell to two processes that ask at once, and forgets a cell whose process died.
"""

from collections.abc import Iterable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import optuna
from optuna.trial import FrozenTrial, TrialState, create_trial

from ffrec.config import ImageRecipe
from ffrec.storage.run_folder import RunFolder
from ffrec.studies.record import SWEEP
from ffrec.studies.shared import Held, Shared, free_lock
from ffrec.tasks.recorded import check_same, configuration

ADVICE = "remove that folder to run the cell again, leave the cell out with --only, or choose another --out"


@dataclass
class Claim:
    """A cell that this process works on, and nobody else."""

    study: optuna.Study
    trial: int
    cell: str
    """Its name."""
    path: Path
    value: float | None = field(default=None, init=False)
    """What the trial reaches; a claim that is given back without one counts as a failed attempt."""
    diverged: bool = field(default=False, init=False)
    """Whether the attempt failed in a way in which every other would."""

    def close(self) -> None:
        """Write down how the trial ended."""
        ended = TrialState.PRUNED if self.diverged else TrialState.FAIL
        self.study.tell(self.trial, self.value, ended if self.value is None else TrialState.COMPLETE)


class Sweep(Shared):
    """One sweep in a folder: its record, and a run folder for every cell. A cell is known by its name."""

    def __init__(
        self,
        folder: Path,
        rule: str,
        seed: int = 0,
        settings: Mapping[str, Any] | None = None,
        precision: str = "fp32",
        storage: str | None = None,
    ) -> None:
        """Start a sweep, or go on with the one in the folder: see `Shared`. `rule` says which grid it is of,
        and `settings` what all of its recipes have on top."""
        self.seed, self.precision = seed, precision
        wanted = {"rule": rule, "seed": seed, "settings": dict(settings or {}), "precision": precision}
        super().__init__(folder, SWEEP, storage, wanted)

    def path(self, name: str) -> Path:
        """The run folder of the cell of that name."""
        return self.folder / f"{name}-{self.seed}"

    def trials(self, *states: TrialState) -> dict[str, FrozenTrial]:
        """The last trial in any of the states, of every cell that has one, by the cell's name."""
        trials = self.study.get_trials(deepcopy=False, states=states)
        return {trial.user_attrs["cell"]: trial for trial in trials if "cell" in trial.user_attrs}

    def ended(self) -> dict[str, FrozenTrial]:
        """How every cell ended whose folder is still there: one that has been removed is to be run again."""
        trials = self.trials(TrialState.COMPLETE, TrialState.PRUNED)
        return {name: trial for name, trial in trials.items() if self.path(name).exists()}

    def done(self) -> dict[str, float]:
        """What the finished cells reached, by name."""
        return {name: t.values[0] for name, t in self.ended().items() if t.state == TrialState.COMPLETE}

    def diverged(self) -> set[str]:
        """The cells, by name, that diverged: they would again, so they are left alone."""
        return {name for name, trial in self.ended().items() if trial.state == TrialState.PRUNED}

    def check(self, wanted: Mapping[str, ImageRecipe]) -> None:
        """Raise RunError if a wanted cell, by its name, was begun by another recipe: tables would mix."""
        for name, recipe in wanted.items():
            if (self.path(name) / "config.json").exists():
                made = configuration(recipe, self.seed, self.precision)
                check_same(RunFolder.open(self.path(name)), made, ADVICE)

    def claim(self, wanted: Iterable[str]) -> AbstractContextManager[Claim | None]:
        """The first of the wanted cells that has not ended and is not being worked on; None if there is none.

        The block holds the cell until it ends, in whatever way.
        """
        return self.hold(lambda: self.take(wanted))

    def take(self, wanted: Iterable[str]) -> Held[Claim] | None:
        """A new trial for a cell, and the cell's lock; the study's lock has to be held."""
        ended = self.ended()
        for cell in wanted:
            if cell in ended:
                continue
            lock = free_lock(self.path(cell))
            if lock is None:
                continue
            left = self.trials(TrialState.RUNNING).get(cell)
            if left:
                self.study.tell(left.number, state=TrialState.FAIL)
            self.study.add_trial(create_trial(state=TrialState.RUNNING, user_attrs={"cell": cell}))
            trial = self.trials(TrialState.RUNNING)[cell]
            return Claim(self.study, trial.number, cell, self.path(cell)), lock
        return None

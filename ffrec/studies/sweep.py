"""A sweep: a grid that any number of processes, on any machines that share a folder, work on together.

The record is an Optuna study (`record`), one trial for every attempt at a cell. Who works on a cell holds the
lock beside its run folder; the system takes a lock back from a process that dies, so a cell whose trial is
RUNNING but whose lock is free has been left, and is taken up again from its last checkpoint. The folder's
file system has to pass locks on between machines, as NFS 4 does. A machine may reach the folder by a path of
its own: the record names cells, and locks are on files, not on paths.

A trial is added with its cell, in one record, under the study's lock. Asking Optuna's grid sampler for one is
two records, gives one cell to two processes that ask at once, and forgets a cell whose process died.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import optuna
from filelock import FileLock, Timeout
from optuna.trial import FrozenTrial, TrialState, create_trial

from ffrec.storage.files import RunError
from ffrec.storage.run_folder import RunFolder
from ffrec.studies.record import database, open_study
from ffrec.studies.sleep import Cell, Rule, recipe_of
from ffrec.tasks.recorded import check_same, configuration

optuna.logging.set_verbosity(optuna.logging.ERROR)

ADVICE = "remove that folder to run the cell again, leave the cell out with --only, or choose another --out"


@dataclass
class Claim:
    """A cell that this process works on, and nobody else."""

    study: optuna.Study
    trial: int
    cell: Cell
    path: Path
    value: float | None = field(default=None, init=False)
    """What the trial reaches; a claim that is given back without one counts as a failed attempt."""
    diverged: bool = field(default=False, init=False)
    """Whether the attempt failed in a way in which every other would."""

    def close(self) -> None:
        """Write down how the trial ended."""
        ended = TrialState.PRUNED if self.diverged else TrialState.FAIL
        self.study.tell(self.trial, self.value, ended if self.value is None else TrialState.COMPLETE)


class Sweep:
    """One sweep in a folder: its record, and a run folder for every cell."""

    def __init__(
        self,
        folder: Path,
        rule: Rule,
        seed: int = 0,
        settings: Mapping[str, Any] | None = None,
        precision: str = "fp32",
        storage: str | None = None,
    ) -> None:
        """Start a sweep, or go on with the one in the folder; `storage` is the URL of a database for its
        record, None for a journal in the folder.

        Raises RunError if that has other settings or its record elsewhere, or if the folder's file system has
        no locks.
        """
        self.folder, self.seed, self.storage = folder, seed, storage
        folder.mkdir(parents=True, exist_ok=True)
        self.lock = FileLock(folder / "study.lock", fallback_to_soft=False)
        try:
            self.lock.acquire()
        except (OSError, NotImplementedError) as error:
            raise RunError(
                f"{folder}: expected a file system with locks ({error}): choose another --out"
            ) from None
        try:
            self.study = open_study(folder, storage)
            wanted = {"rule": rule, "seed": seed, "settings": dict(settings or {}), "precision": precision}
            for name, value in wanted.items():
                held = self.study.user_attrs.get(name, value)
                if held != value:
                    raise RunError(
                        f"{folder} is a sweep with {name} = {held}, found {value}: give the same again, "
                        "or choose another --out"
                    )
                self.study.set_user_attr(name, value)
        finally:
            self.lock.release()

    def path(self, name: str) -> Path:
        """The run folder of the cell of that name."""
        return self.folder / f"{name}-{self.seed}"

    def trials(self, *states: TrialState) -> dict[str, FrozenTrial]:
        """The last trial in any of the states, of every cell that has one, by the cell's name."""
        trials = self.study.get_trials(deepcopy=False, states=states)
        return {trial.user_attrs["cell"]: trial for trial in trials}

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

    def check(self, wanted: Sequence[Cell]) -> None:
        """Raise RunError if a wanted cell was begun by another recipe than today's: tables would mix."""
        attributes = self.study.user_attrs
        for cell in wanted:
            if (self.path(cell.name) / "config.json").exists():
                recipe = recipe_of(cell, attributes["rule"], attributes["settings"])
                made = configuration(recipe, self.seed, attributes["precision"])
                check_same(RunFolder.open(self.path(cell.name)), made, ADVICE)

    @contextmanager
    def claim(self, wanted: Sequence[Cell]) -> Iterator[Claim | None]:
        """The first of the wanted cells that has not ended and is not being worked on; None if there is none.

        The block holds the cell until it ends, in whatever way.
        """
        with self.lock, database(self.storage):
            held = self.take(wanted)
        if held is None:
            yield None
            return
        claim, lock = held
        try:
            yield claim
        finally:
            with self.lock, database(self.storage):
                claim.close()
            lock.release()

    def take(self, wanted: Sequence[Cell]) -> tuple[Claim, FileLock] | None:
        """A new trial for a cell, and the cell's lock; the study's lock has to be held."""
        ended = self.ended()
        for cell in wanted:
            if cell.name in ended:
                continue
            lock = FileLock(f"{self.path(cell.name)}.lock", fallback_to_soft=False)
            try:
                lock.acquire(blocking=False)
            except Timeout:
                continue
            left = self.trials(TrialState.RUNNING).get(cell.name)
            if left:
                self.study.tell(left.number, state=TrialState.FAIL)
            self.study.add_trial(create_trial(state=TrialState.RUNNING, user_attrs={"cell": cell.name}))
            trial = self.trials(TrialState.RUNNING)[cell.name]
            return Claim(self.study, trial.number, cell, self.path(cell.name)), lock
        return None

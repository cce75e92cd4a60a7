"""A sweep: a grid that any number of processes, on any machines that share a folder, work on together.

The record is an Optuna study in a journal file, one trial for every attempt at a cell. Who works on a cell
holds the lock beside its run folder; the system takes a lock back from a process that dies, so a cell whose
trial is RUNNING but whose lock is free has been left, and is taken up again from its last checkpoint. Which
cell is next is decided under the study's lock: Optuna's grid sampler alone gives one cell to two processes
that ask at once, and forgets a cell whose process died.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import optuna
from filelock import FileLock, Timeout
from optuna.distributions import CategoricalDistribution
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import TrialState

from ffrec.checkpoint import RunError
from ffrec.sleep import GRID, Cell, Rule

optuna.logging.set_verbosity(optuna.logging.ERROR)
NAMES = [cell.name for cell in GRID]


@dataclass
class Claim:
    """A cell that this process works on, and nobody else."""

    study: optuna.Study
    trial: int
    cell: Cell
    path: Path
    value: float | None = field(default=None, init=False)
    """What the trial reaches; a claim that is given back without one counts as a failed attempt."""

    def close(self) -> None:
        """Write down how the trial ended."""
        state = TrialState.FAIL if self.value is None else TrialState.COMPLETE
        self.study.tell(self.trial, self.value, state)


class Sweep:
    """One sweep in a folder: a journal, and a run folder for every cell."""

    def __init__(self, folder: Path, rule: Rule, seed: int = 0, settings: Mapping[str, Any] | None = None):
        """Start a sweep, or go on with the one in the folder; raises RunError if that has other settings."""
        self.folder, self.rule, self.seed, self.settings = folder, rule, seed, dict(settings or {})
        folder.mkdir(parents=True, exist_ok=True)
        self.lock = FileLock(folder / "study.lock")
        with self.lock:
            self.study = optuna.create_study(
                storage=JournalStorage(JournalFileBackend(str(folder / "journal.log"))),
                sampler=optuna.samplers.GridSampler({"cell": NAMES}),
                study_name="sleep",
                direction="maximize",
                load_if_exists=True,
            )
            wanted = {"rule": rule, "seed": seed, "settings": self.settings}
            for name, value in wanted.items():
                held = self.study.user_attrs.get(name, value)
                if held != value:
                    raise RunError(
                        f"{folder} is a sweep with {name} = {held}, found {value}: choose another --out"
                    )
                self.study.set_user_attr(name, value)

    def path(self, cell: Cell) -> Path:
        """The run folder of a cell."""
        return self.folder / f"{cell.name}-{self.seed}"

    def done(self) -> dict[str, float]:
        """What the finished cells reached, by name."""
        trials = self.study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
        return {trial.params["cell"]: trial.values[0] for trial in trials}

    @contextmanager
    def claim(self, wanted: Sequence[Cell]) -> Iterator[Claim | None]:
        """The first of the wanted cells that is neither done nor being worked on; None if there is none.

        The block holds the cell until it ends, in whatever way; raises nothing of its own.
        """
        with self.lock:
            held = self.take(wanted)
        if held is None:
            yield None
            return
        claim, lock = held
        try:
            yield claim
        finally:
            with self.lock:
                claim.close()
            lock.release()

    def take(self, wanted: Sequence[Cell]) -> tuple[Claim, FileLock] | None:
        """A new trial for a cell, and the cell's lock; the study's lock has to be held."""
        done = self.done()
        for cell in wanted:
            if cell.name in done:
                continue
            lock = FileLock(f"{self.path(cell)}.lock")
            try:
                lock.acquire(blocking=False)
            except Timeout:
                continue
            self.bury(cell)
            self.study.enqueue_trial({"cell": cell.name})
            trial = self.study.ask({"cell": CategoricalDistribution(NAMES)})
            return Claim(self.study, trial.number, cell, self.path(cell)), lock
        return None

    def bury(self, cell: Cell) -> None:
        """Write down that the trials of a cell that nobody works on any more have failed."""
        for trial in self.study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
            if trial.params.get("cell") == cell.name:
                self.study.tell(trial.number, state=TrialState.FAIL)

"""A search of settings, by processes that share a folder (`shared`), on validation data alone.

The record has one Optuna trial for every combination that was tried. Optuna draws a combination under the
study's lock. A trial that is RUNNING but whose lock is free has been left: whoever takes it up goes on from
its last checkpoint. Then the best trials are run again with other seeds; what these reach is kept beside the
trials, so that samplers and pruners do not see it.
"""

import shutil
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, suppress
from pathlib import Path
from typing import Any, NamedTuple

from filelock import FileLock
from optuna.trial import FrozenTrial, Trial, TrialState, create_trial

from ffrec.config import ConfigError, Recipe
from ffrec.reports.summary import flat
from ffrec.storage.files import RunError, to_json, write_atomic
from ffrec.storage.run_folder import RunFolder
from ffrec.studies.record import SEARCH
from ffrec.studies.shared import Held, Shared, free_lock
from ffrec.studies.tune.choosing import make_pruner, make_sampler
from ffrec.studies.tune.document import FILE, document
from ffrec.studies.tune.job import Ended, Job, TrialJob, repeat_name
from ffrec.studies.tune.space import Space
from ffrec.tasks.recorded import completed, plain

STARTS = 3  # times that a trial may lose its process before it counts as failed
ENDED = (TrialState.COMPLETE, TrialState.PRUNED)


class Plan(NamedTuple):
    """How a search chooses, and how far it goes."""

    trials: int
    top: int = 3
    """Best trials that are run with more seeds."""
    seeds: int = 3
    """Seeds of each of them, its own among them."""
    sampler: str = "tpe"
    pruner: str = "median"


class Search(Shared):
    """One search in a folder: its record, and a run folder for every trial and every repeat of a trial."""

    def __init__(
        self,
        folder: Path,
        recipe: Recipe,
        space: Space,
        plan: Plan,
        seed: int = 0,
        precision: str = "fp32",
        storage: str | None = None,
        plugins: Sequence[str] = (),
    ) -> None:
        """Start a search, or go on with the one in the folder: see `Shared`."""
        self.recipe, self.space, self.plan, self.seed = recipe, space, plan, seed
        self.busy = False
        """Whether there was nothing to take but other processes are at work, so that there may be later."""
        wanted = {"recipe": plain(recipe), "space": dict(space.values), "seed": seed, "precision": precision}
        wanted |= {"sampler": plan.sampler, "pruner": plan.pruner, "plugins": list(plugins)}
        super().__init__(folder, SEARCH, storage, wanted)
        self.study.pruner = make_pruner(plan.pruner, recipe, space)
        self.recover()

    def keep(self, wanted: Mapping[str, Any]) -> None:
        held = self.study.user_attrs.get("recipe")
        if held and (today := completed({"recipe": held})["recipe"]) != held:
            self.study.set_user_attr("recipe", today)  # with the defaults of settings that are younger
        super().keep(wanted)

    def recover(self) -> None:
        """Add the trials that a damaged record has lost, as trials that were left: with the settings that
        their run folders tell, or, where one had no folder, with settings to be drawn anew."""
        with self.locked():
            last = max(map(number_of, self.folder.glob("trial-*/config.json")), default=-1)
            for number in range(len(self.trials()), last + 1):
                params, path = {}, self.path(number, self.seed)
                if (path / "config.json").exists():
                    held = completed(RunFolder.open(path).config)["recipe"]
                    params = self.space.params(flat(held))
                drawn = {name: self.space.distributions[name] for name in params}
                self.study.add_trial(
                    create_trial(state=TrialState.RUNNING, params=params, distributions=drawn)
                )

    def path(self, number: int, seed: int) -> Path:
        """The run folder of a trial, or of its repeat with another seed."""
        return self.folder / f"trial-{number:04d}{f'-seed-{seed}' if seed != self.seed else ''}"

    def trials(self, *states: TrialState) -> list[FrozenTrial]:
        """Trials in any of the states, all without one, in the order of their numbers."""
        return self.study.get_trials(deepcopy=False, states=states or None)

    def known(self, trial: FrozenTrial) -> bool:
        """Whether a trial has all its settings: one that a damaged record tells of may not."""
        return trial.params.keys() >= self.space.distributions.keys()

    def best(self) -> list[FrozenTrial]:
        """The trials that are run with more seeds, the best first; none twice with the same settings."""
        found = [
            t for t in self.trials(TrialState.COMPLETE) if "same_as" not in t.user_attrs and self.known(t)
        ]
        return sorted(found, key=lambda t: (t.values[0], t.number))[: self.plan.top]

    def claim(self) -> AbstractContextManager[Job | None]:
        """The next run that nobody works on: one that was left, a new trial, or a repeat of one of the best;
        None if there is none now. The block holds it until it ends, in whatever way."""
        return self.hold(self.take)

    def take(self) -> Held[Job] | None:
        """The next run and its lock; the study's lock has to be held."""
        self.busy = False
        for left in self.trials(TrialState.RUNNING):
            self.study.sampler = make_sampler(self.plan.sampler, self.seed, left.number)
            lock = free_lock(self.path(left.number, self.seed))
            if lock is None:
                self.busy = True
            elif job := self.begin(Trial(self.study, left._trial_id), left, lock):
                return job, lock
        while (count := len(self.trials())) < self.plan.trials:
            self.study.sampler = make_sampler(self.plan.sampler, self.seed, count)
            trial = self.study.ask()
            lock = free_lock(self.path(trial.number, self.seed))
            if lock and (job := self.begin(trial, self.trials()[trial.number], lock)):
                return job, lock
        return None if self.busy else self.take_repeat()

    def begin(self, trial: Trial, held: FrozenTrial, lock: FileLock) -> Job | None:
        """Work on a trial; None, and the trial has ended, if there is nothing to do or no sense in it."""
        starts = held.user_attrs.get("starts", 0)
        if starts >= STARTS:
            self.end(trial, TrialState.FAIL, Ended(reason=f"its process died {starts} times"))
        else:
            settings = self.space.suggest(trial)
            try:
                recipe = self.recipe.override(settings)
            except ConfigError as error:
                self.end(trial, TrialState.PRUNED, Ended(reason=str(error)))
            else:
                if not self.repeats_another(trial, settings):
                    trial.set_user_attr("starts", starts + 1)
                    reported = frozenset(held.intermediate_values)
                    return TrialJob(self, trial.number, recipe, self.seed, settings, trial, reported)
        lock.release()
        return None

    def repeats_another(self, trial: Trial, settings: Mapping[str, Any]) -> bool:
        """Whether the same settings have been tried: they would reach the same, which is written down."""
        for twin in self.trials(*ENDED):
            if self.known(twin) and self.space.settings(twin.params) == settings:
                for epoch, value in twin.intermediate_values.items():
                    trial.report(value, epoch)
                trial.set_user_attr("same_as", twin.user_attrs.get("same_as", twin.number))
                found = twin.user_attrs
                reached = twin.values[0] if twin.state == TrialState.COMPLETE else None
                again = Ended(reached, found["epochs"], 0.0, found["measure"], found["reason"])
                self.end(trial, twin.state, again)
                return True
        return False

    def end(self, trial: Trial, state: TrialState, ended: Ended) -> None:
        """Write down how a trial ended."""
        for name in ("epochs", "seconds", "measure", "reason"):
            trial.set_user_attr(name, getattr(ended, name))
        self.study.tell(trial.number, ended.value, state)
        self.write()

    def take_repeat(self) -> Held[Job] | None:
        """A run of one of the best trials with another seed, and its lock."""
        for trial in self.best():
            for seed in range(self.seed + 1, self.seed + self.plan.seeds):
                if repeat_name(trial.number, seed) in self.study.user_attrs:
                    continue
                lock = free_lock(self.path(trial.number, seed))
                if lock:
                    settings = self.space.settings(trial.params)
                    return Job(self, trial.number, self.recipe.override(settings), seed, settings), lock
                self.busy = True
        return None

    def write(self) -> None:
        """Bring tune.json up to date, and remove checkpoints of trials that are not among the best, unless
        somebody goes on with one."""
        write_atomic(self.folder / FILE, to_json(document(self)))
        best = {trial.number for trial in self.best()}
        for trial in self.trials(*ENDED, TrialState.FAIL):
            path = self.path(trial.number, self.seed)
            if trial.number not in best and (path / "checkpoints").exists():
                with suppress(RunError), RunFolder(path).hold():
                    shutil.rmtree(path / "checkpoints", ignore_errors=True)


def number_of(config: Path) -> int:
    """The number of the trial whose folder, or that of a repeat, has this file."""
    return int(config.parent.name.split("-")[1])

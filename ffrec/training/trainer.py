"""The one training loop. It writes nothing to a terminal: it yields events."""

import math
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from itertools import islice
from typing import Any, ClassVar

import torch
from torch import Tensor

from ffrec.config import ConfigError
from ffrec.data.draws import Draws
from ffrec.evaluation.health import dead, saturated, share_on
from ffrec.parallel import sharing
from ffrec.parallel.agreement import check_agreement
from ffrec.parallel.averaging import Averaging
from ffrec.parallel.shards import ELEMENTWISE, Shards
from ffrec.parallel.sharing import Sharing
from ffrec.parallel.team import ALONE, Team
from ffrec.registry import pick
from ffrec.storage.run_folder import RunFolder
from ffrec.training.arithmetic import computing, pick_precision
from ffrec.training.capture import Captured, CudaGraph, Work, check_capture
from ffrec.training.events import Collapsed, Diverged, Epoch, Interrupted, Update
from ffrec.training.gradient_baseline import GradientBaseline
from ffrec.training.optimiser import RateSchedule, make_optimiser, placed, set_rates
from ffrec.training.phases import Phase, Schedule, apart

CHECK_EVERY = 50  # updates between two checks for a loss that is not finite
TRACED = 8  # times an epoch, or a few more, that goodness is recorded where wake and sleep phases are apart
SPARING = 100  # times what a checkpoint takes to write, that pass before the next one is written


class Trainer(ABC):
    """A network in training: its data, its negatives, its optimiser, and how far it has come.

    The order of the cases is a function of seed and epoch; all other chance is one of seed, update and place
    in the batch (`Draws`). So a resumed run repeats an uninterrupted one; on a CPU, bitwise.
    A kind of data supplies `update` and `validate`, and says what it counts.
    """

    counted: ClassVar[str]
    """What a second's worth of training is counted in."""
    accuracy_name: ClassVar[str]
    """What the record calls the share of cases that a hidden layer gets right."""

    def __init__(
        self, recipe: Any, network: Any, cases: int, seed: int, device: str | torch.device, arithmetic: str
    ) -> None:
        self.recipe, self.seed, self.device = recipe, seed, torch.device(device)
        self.arithmetic = pick_precision(arithmetic, self.device)
        self.network, self.cases, self.passes = network.to(self.device), cases, 1
        self.size = cases
        """What `counted` counts in a pass over the data."""
        self.learning_layers = len(recipe.network.hidden)
        """Hidden layers that have a loss of their own."""
        self.draws, self.team = Draws(seed, self.device), ALONE
        self.sharing: Sharing = sharing.ALONE
        self.epoch, self.step, self.seconds = 0, 0, 0.0
        self.processor_seconds = 0.0
        """Of all threads of this process, where `seconds` also pass while others use the processor."""
        self.checked = 0
        """Updates of this epoch whose losses are known to be finite, and those of all processes."""
        self.share, self.batch_size = 1.0, 0
        self.traced: list[dict[str, Any]] = []
        """This epoch's goodness, so far."""
        self.captured: Captured | None = None
        """The device's work as CUDA graphs, if `capture` was called."""
        self.strict = False
        """Whether training ends, with Collapsed, when an epoch has warnings."""
        self.has_checkpoint = False
        self.local_sgd: dict[str, float] = {}
        """How processes learn apart, where they do: that changes what is learnt."""
        self.save_due = -math.inf
        """When the next checkpoint may be written, by `time.perf_counter`."""

    def prepare(self) -> None:
        """Make optimisers, schedules and history, once all the above is settled."""
        training = self.recipe.training
        self.steps = self.passes * math.ceil(self.cases / training.batch)
        self.make_optimisers()
        self.rate_factor: RateSchedule = pick("rate schedule", training.schedule)
        self.schedule = self.make_schedule()
        learn = dict(self.network.layers.named_parameters())
        self.gradient_baseline = GradientBaseline(learn, training.baseline) if training.baseline else None
        self.history = torch.zeros(self.steps, 2 * self.learning_layers + 1, device=self.device)

    def make_optimisers(self) -> None:
        """One optimiser, or one for each kind of phase."""
        training, network = self.recipe.training, self.network
        self.optimiser = make_optimiser(network.layers, network.readout, training, self.sharing)
        self.sleep_optimiser = self.optimiser
        if training.states == "separate":
            self.sleep_optimiser = make_optimiser(network.layers, network.readout, training, self.sharing)

    def join(self, team: Team, sync_every: int = 1, outer_momentum: float = 0.0) -> None:
        """Train together with other processes, each on a part of every batch, before the first update.

        With `sync_every` K > 1 every process learns alone for K updates; then weights are averaged. Raises
        ConfigError for what cannot be split.
        """
        check_splits(self.recipe, sync_every)
        self.team = team
        if team.world == 1:
            return
        if sync_every > 1:
            self.local_sgd = {
                "processes": team.world,
                "sync_every": sync_every,
                "outer_momentum": outer_momentum,
            }
            weights = dict(self.network.state_dict())
            self.sharing = Averaging(team, weights, sync_every, outer_momentum)
        else:
            whole = self.recipe.training.optimiser not in ELEMENTWISE or self.gradient_baseline is not None
            self.sharing = Shards(team, whole, torch.bfloat16 if self.arithmetic == "bf16" else None)
            self.draws.gather = self.gather
        for module in (*self.network.layers, self.network.readout):
            module.exchange = self.sharing
        self.make_optimisers()

    def gather(self, values: Tensor) -> Tensor:
        """Values of all cases of this batch, `(batch,)`, from those of this process's cases."""
        return self.team.whole(values, self.batch_size)

    def part(self, batch: Tensor) -> Tensor:
        """The cases of a batch that this process learns from. Where there are fewer cases than processes,
        one without a case computes with one that counts nothing."""
        place, self.batch_size = self.team.part(len(batch)), len(batch)
        self.share = (place.stop - place.start) / len(batch)
        if not self.share:
            place = slice(0, 1)
        if isinstance(self.sharing, Shards):
            self.sharing.share = self.share
        self.draws.begin(self.updates, place.stop - place.start, place.start)
        return batch[place]

    @abstractmethod
    def update(self, index: Tensor) -> Tensor:
        """Learn from the cases at `index`: returns the losses of the learning layers, that of the softmax,
        and the layers' accuracies, in one vector."""

    @abstractmethod
    def validate(self, held_out: Any) -> dict[str, Any]:
        """How good the network is now, on held-out data."""

    @property
    def updates(self) -> int:
        """Batches so far."""
        done: int = self.epoch * self.steps + self.step
        return done

    def batches(self) -> list[Tensor]:
        """This epoch's batches, as indices of the training cases: every pass in an order of its own."""
        drawn = torch.Generator().manual_seed(self.seed * 1_000_003 + self.epoch)
        orders = [torch.randperm(self.cases, generator=drawn) for _ in range(self.passes)]
        places = torch.cat(orders).to(self.device)  # one copy an epoch: no batch waits for its own
        return [
            part for order in places.split(self.cases) for part in order.split(self.recipe.training.batch)
        ]

    def updates_of_epoch(self) -> Iterator[Update]:
        """Go on to the end of this epoch, one update at a time; raises Diverged."""
        batches = self.batches()
        while self.step < self.steps:
            start, used = time.perf_counter(), time.process_time()
            with torch.no_grad(), computing(self.network, self.arithmetic, self.device):
                own = self.part(batches[self.step])
                self.history[self.step] = self.update(own) * self.share
                self.step += 1
                due = self.recipe.training.wake and self.step % max(1, self.steps // TRACED) == 0
                if due:
                    self.sharing.settle()
                if due and (found := self.trace()):
                    self.traced.append({"update": self.updates} | found)
            if self.step % CHECK_EVERY == 0 or self.step == self.steps:
                self.check()
            self.seconds += time.perf_counter() - start
            self.processor_seconds += time.process_time() - used
            yield Update(self.epoch + 1, self.step, self.steps)

    def activities(self) -> list[Tensor]:
        """What every hidden layer makes of some training cases now, `(..., units)`; none if it is not
        checked."""
        return []

    @abstractmethod
    def guessed(self, found: dict[str, Any]) -> list[str]:
        """Warnings about a validation that is no better than guessing."""

    def trace(self) -> dict[str, list[float]]:
        """Mean goodness of some positive and some negative data now, layer by layer; empty if not
        recorded."""
        return {}

    @abstractmethod
    def make_schedule(self) -> Schedule:
        """What is done with each batch, from the first one on."""

    def apart(self) -> Schedule:
        """Wake and sleep phases apart, from the first batch on, as long as the recipe says."""
        training = self.recipe.training
        wake, sleep = (self.steps if n == "epoch" else n for n in (training.wake, training.sleep))
        return apart(wake, sleep)

    @property
    def done(self) -> float:
        """The share of all updates that is done, 0 to 1."""
        updates: int = self.steps * self.recipe.training.epochs
        return min(self.updates / updates, 1.0)

    def factor(self) -> float:
        """Of the learning rates, at this update."""
        return self.rate_factor(self.done)

    def capture(self) -> None:
        """Do all further updates as CUDA graphs: the same numbers, without Python; raises ConfigError."""
        check_capture(self.device, self.recipe.training.optimiser, self.team.world)
        batch = min(self.recipe.training.batch, self.cases)
        self.captured = Captured(self.network, self.draws, batch, CudaGraph)

    def carry_out(self, work: Work, index: Tensor, phase: Phase) -> Tensor:
        """Work on the cases at `index`, as a graph if updates are captured: it is the device's alone, and all
        that changes from one update to the next lies in tensors that stay where they are."""
        return self.captured(work, index, phase) if self.captured else work(index, phase)

    def begin(self, phase: Phase, repeats: int = 1) -> None:
        """What comes before the work of a phase: its rates, which numbers of Python determine, and, where a
        phase begins, the gradients of the one before."""
        if self.gradient_baseline and (phase == "wake" or phase == "sleep"):
            self.gradient_baseline.begin(phase, repeats)
        share = self.recipe.training.wake_share if phase == "wake" else 1.0
        set_rates(self.optimiser_of(phase), self.factor(), share)

    def optimiser_of(self, phase: Phase) -> torch.optim.Optimizer:
        """The optimiser that a phase learns by."""
        return self.sleep_optimiser if phase == "sleep" else self.optimiser

    def step_optimiser(self, phase: Phase) -> None:
        """Change the weights by their gradients, at the rates that `begin` set and with the phase's own
        state."""
        self.sharing.finish()
        if self.gradient_baseline and (phase == "wake" or phase == "sleep"):
            self.gradient_baseline.add(phase)
        self.optimiser_of(phase).step()
        self.sharing.spread()
        if any(layer.scaling for layer in self.network.layers):
            self.sharing.settle()
        for layer in self.network.layers:
            layer.rescale()
        self.network.recast()

    def check(self) -> None:
        """Raise Diverged if any loss of this epoch is not a finite number."""
        self.team.sum_(self.history[self.checked : self.step])
        self.checked = self.step
        names = [*(f"hidden layer {level}" for level in range(1, self.learning_layers + 1)), "the softmax"]
        bad = ~self.history[: self.step, : len(names)].isfinite()
        if bad.any():
            step = int(bad.any(1).nonzero()[0])
            where = [name for name, column in zip(names, bad[step].tolist(), strict=True) if column]
            update = self.epoch * self.steps + step + 1
            cure = "lower the learning rate" if update > 1 else "mend threshold or sharpness"
            kept = "; the last good checkpoint is kept" if self.has_checkpoint else ""
            raise Diverged(f"the loss of {', '.join(where)} is not finite at update {update}: {cure}{kept}")

    def end_epoch(self) -> dict[str, Any]:
        """Close the epoch and return its record."""
        means, late = self.history.mean(0).tolist(), self.history[-CHECK_EVERY:].mean(0).tolist()
        with torch.no_grad():
            on = share_on(self.activities())
        self.epoch, self.step, self.checked = self.epoch + 1, 0, 0
        record = {
            "epoch": self.epoch,
            "updates": self.updates,
            "loss": means[: self.learning_layers],
            "softmax_loss": means[self.learning_layers],
            self.accuracy_name: means[self.learning_layers + 1 :],
            "rate": self.recipe.training.rate * self.factor(),
            "seconds": self.seconds,
            "processor_seconds": self.processor_seconds,
            f"{self.counted}_per_second": self.passes * self.size / max(self.seconds, 1e-9),
        }
        if self.traced:
            record["goodness"] = self.traced
        record |= {"on": on, "warnings": dead(on) + saturated(late[: self.learning_layers])}
        self.seconds, self.traced = 0.0, []
        self.processor_seconds = 0.0
        return record

    def state(self) -> dict[str, Any]:
        """Everything but the weights that a resumed run needs, whole on every process."""
        return {
            "epoch": self.epoch,
            "step": self.step,
            "seconds": self.seconds,
            "processor_seconds": self.processor_seconds,
            "history": self.history,
            "traced": self.traced,
            "optimiser": self.sharing.whole_state(self.optimiser),
            "sleep_optimiser": self.sharing.whole_state(self.sleep_optimiser)
            if self.sleep_optimiser is not self.optimiser
            else None,
            "gradient_baseline": self.gradient_baseline.state_dict() if self.gradient_baseline else None,
            "sharing": self.sharing.state_dict(),
        }

    def restore(self, weights: dict[str, Tensor], state: dict[str, Any]) -> None:
        """Go back to what `state` and the network's state dict recorded."""
        self.network.load_state_dict(weights)
        self.epoch, self.step, self.seconds = state["epoch"], state["step"], state["seconds"]
        self.processor_seconds = state.get("processor_seconds", 0.0)  # older checkpoints do not say
        self.checked, self.has_checkpoint = self.step, True
        self.schedule = islice(self.make_schedule(), self.updates, None)
        self.history.copy_(state["history"])
        self.traced = list(state["traced"])
        self.sharing.load_whole(self.optimiser, placed(self.optimiser, state["optimiser"]))
        self.sharing.load_state_dict(state.get("sharing", {}))
        if self.gradient_baseline:
            self.gradient_baseline.load_state_dict(state["gradient_baseline"])
        if found := state["sleep_optimiser"]:
            self.sharing.load_whole(self.sleep_optimiser, placed(self.sleep_optimiser, found))

    def run(
        self, folder: RunFolder | None = None, validation: Any = None, stop: Callable[[], bool] = bool
    ) -> Iterator[Update | Epoch | Interrupted]:
        """Train to the last epoch, validating and saving on the way; yields what happens.

        `stop` is asked after every update and epoch; when it says yes, a checkpoint is written and the run
        ends with Interrupted. One is written at the end, too, and after epochs and before validations while
        these take less than a hundredth of the time: a crash loses no more than an epoch, or a hundred times
        what a checkpoint takes. Raises Diverged before weights from a loss that is not finite are saved.
        """
        training = self.recipe.training
        while self.epoch < training.epochs:
            due = validation is not None and self.due(self.epoch + 1)
            for update in self.updates_of_epoch():
                yield update
                if self.team.stops(stop, self.step):
                    self.check()
                    self.save(folder)
                    yield Interrupted(self.updates)
                    return
            self.agree()
            if due:
                self.save(folder, sparing=True)
            record = self.end_epoch()
            if due:
                record["validation"] = self.validate(validation)
                if 2 * self.epoch >= training.epochs:  # some recipes begin slowly
                    record["warnings"] += self.guessed(record["validation"])
            if folder:
                folder.append_metrics(record)
            saved = self.save(folder, sparing=self.epoch < training.epochs)
            yield Epoch(record)
            if self.strict and record["warnings"]:
                raise Collapsed("; ".join(record["warnings"]))
            if self.team.any(stop()):
                if not saved:
                    self.save(folder)
                yield Interrupted(self.updates)
                return

    def agree(self) -> None:
        """Make all processes' weights whole and the same; raises Disagreement if they are not."""
        self.sharing.settle()
        self.sharing.meet()
        layers = {f"hidden layer {n}": layer for n, layer in enumerate(self.network.layers, 1)}
        check_agreement(self.team, layers | {"the softmax": self.network.readout})

    def due(self, epoch: int) -> bool:
        """Whether that epoch ends with a validation."""
        training = self.recipe.training
        return bool(epoch % training.validate_every == 0 or epoch == training.epochs)

    def save(self, folder: RunFolder | None, sparing: bool = False) -> bool:
        """Write a checkpoint, if the first process has a folder to write it to; when `sparing`, only if one
        is due there. Returns whether it did."""
        start = time.perf_counter()
        if not self.team.any(bool(folder) and not (sparing and start < self.save_due)):
            return False
        self.agree()
        state = self.state()
        if folder:
            folder.save(self.updates, dict(self.network.state_dict()), state)
        self.has_checkpoint = True
        now = time.perf_counter()
        self.save_due = now + SPARING * (now - start)
        return True


def check_splits(recipe: Any, sync_every: int) -> None:
    """Raise ConfigError for what cannot be split between processes."""
    if sync_every > 1 and recipe.training.wake and recipe.training.baseline:
        raise ConfigError(
            "baseline: its gradients are of whole batches, which processes that learn alone never see: "
            "leave out --sync-every, or set baseline=0"
        )

"""The one training loop. It writes nothing to a terminal: it yields events."""

import math
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any, ClassVar

import torch
from torch import Tensor

from ffrec.registry import pick
from ffrec.storage.run_folder import RunFolder
from ffrec.training.arithmetic import computing
from ffrec.training.gradient_baseline import GradientBaseline
from ffrec.training.optimiser import RateSchedule, make_optimiser, set_rates
from ffrec.training.phases import Phase, Schedule, apart

CHECK_EVERY = 50  # updates between two checks for a loss that is not finite
TRACED = 8  # times an epoch, or a few more, that goodness is recorded where wake and sleep phases are apart
SPARING = 100  # times what a checkpoint takes to write, that pass before the next one is written


class Diverged(Exception):
    """The loss stopped being a number; the message names the layer and the update."""


@dataclass(frozen=True)
class Update:
    """One batch has been learnt from."""

    epoch: int
    step: int
    steps: int


@dataclass(frozen=True)
class Epoch:
    """One epoch is done; `record` is its line in metrics.jsonl."""

    record: dict[str, Any]


@dataclass(frozen=True)
class Interrupted:
    """Training was asked to stop, and its checkpoint is written."""

    step: int


class Trainer(ABC):
    """A network in training: its data, its negatives, its optimiser, and how far it has come.

    The order of the cases is a function of seed and epoch; all other chance comes from one generator on the
    device, whose state is part of `state`. So a resumed run repeats an uninterrupted one; on a CPU, bitwise.
    A kind of data supplies `update` and `validate`, and says what it counts.
    """

    counted: ClassVar[str]
    """What a second's worth of training is counted in."""
    accuracy_name: ClassVar[str]
    """What the record calls the share of cases that a hidden layer gets right."""

    def __init__(
        self, recipe: Any, network: Any, cases: int, seed: int, device: str | torch.device, arithmetic: str
    ) -> None:
        self.recipe, self.seed, self.device, self.arithmetic = recipe, seed, torch.device(device), arithmetic
        self.network, self.cases, self.passes = network.to(self.device), cases, 1
        self.size = cases
        """What `counted` counts in a pass over the data."""
        self.learning_layers = len(recipe.network.hidden)
        """Hidden layers that have a loss of their own."""
        self.generator = torch.Generator(self.device).manual_seed(seed)
        self.epoch, self.step, self.seconds = 0, 0, 0.0
        self.traced: list[dict[str, Any]] = []
        """This epoch's goodness, so far."""
        self.save_due = -math.inf
        """When the next checkpoint may be written, by `time.perf_counter`."""

    def prepare(self) -> None:
        """Make optimisers, schedules and history, once all the above is settled."""
        training = self.recipe.training
        self.steps = self.passes * math.ceil(self.cases / training.batch)
        self.optimiser = make_optimiser(self.network.layers, self.network.readout, training)
        self.sleep_optimiser = self.optimiser
        if training.states == "separate":
            self.sleep_optimiser = make_optimiser(self.network.layers, self.network.readout, training)
        self.rate_factor: RateSchedule = pick("rate schedule", training.schedule)
        self.schedule = self.make_schedule()
        learn = dict(self.network.layers.named_parameters())
        self.gradient_baseline = GradientBaseline(learn, training.baseline) if training.baseline else None
        self.history = torch.zeros(self.steps, 2 * self.learning_layers + 1, device=self.device)

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
        return [part.to(self.device) for order in orders for part in order.split(self.recipe.training.batch)]

    def updates_of_epoch(self) -> Iterator[Update]:
        """Go on to the end of this epoch, one update at a time; raises Diverged."""
        batches = self.batches()
        while self.step < self.steps:
            start = time.perf_counter()
            with torch.no_grad(), computing(self.network, self.arithmetic, self.device):
                self.history[self.step] = self.update(batches[self.step])
                self.step += 1
                due = self.recipe.training.wake and self.step % max(1, self.steps // TRACED) == 0
                if due and (found := self.trace()):
                    self.traced.append({"update": self.updates} | found)
            if self.step % CHECK_EVERY == 0 or self.step == self.steps:
                self.check()
            self.seconds += time.perf_counter() - start
            yield Update(self.epoch + 1, self.step, self.steps)

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

    def factor(self) -> float:
        """Of the learning rates, at this update."""
        return self.rate_factor(min(self.updates / (self.steps * self.recipe.training.epochs), 1.0))

    def step_optimiser(self, phase: Phase) -> None:
        """Change the weights by their gradients, at the phase's own rate and with its own state."""
        if self.gradient_baseline and (phase == "wake" or phase == "sleep"):
            self.gradient_baseline.add(phase)
        optimiser = self.sleep_optimiser if phase == "sleep" else self.optimiser
        set_rates(optimiser, self.factor(), self.recipe.training.wake_share if phase == "wake" else 1.0)
        optimiser.step()
        for layer in self.network.layers:
            layer.rescale()
        self.network.recast()

    def check(self) -> None:
        """Raise Diverged if any loss of this epoch is not a finite number."""
        names = [*(f"hidden layer {level}" for level in range(1, self.learning_layers + 1)), "the softmax"]
        bad = ~self.history[: self.step, : len(names)].isfinite()
        if bad.any():
            step = int(bad.any(1).nonzero()[0])
            where = [name for name, column in zip(names, bad[step].tolist(), strict=True) if column]
            update = self.epoch * self.steps + step + 1
            raise Diverged(
                f"the loss of {', '.join(where)} is not finite at update {update}: "
                "lower the learning rate; the last good checkpoint is kept"
            )

    def end_epoch(self) -> dict[str, Any]:
        """Close the epoch and return its record."""
        means = self.history.mean(0).tolist()
        self.epoch, self.step = self.epoch + 1, 0
        record = {
            "epoch": self.epoch,
            "updates": self.updates,
            "loss": means[: self.learning_layers],
            "softmax_loss": means[self.learning_layers],
            self.accuracy_name: means[self.learning_layers + 1 :],
            "rate": self.recipe.training.rate * self.factor(),
            "seconds": self.seconds,
            f"{self.counted}_per_second": self.passes * self.size / max(self.seconds, 1e-9),
        }
        if self.traced:
            record["goodness"] = self.traced
        self.seconds, self.traced = 0.0, []
        return record

    def state(self) -> dict[str, Any]:
        """Everything but the weights that a resumed run needs."""
        return {
            "epoch": self.epoch,
            "step": self.step,
            "seconds": self.seconds,
            "history": self.history,
            "traced": self.traced,
            "optimiser": self.optimiser.state_dict(),
            "sleep_optimiser": self.sleep_optimiser.state_dict()
            if self.sleep_optimiser is not self.optimiser
            else None,
            "gradient_baseline": self.gradient_baseline.state_dict() if self.gradient_baseline else None,
            "generator": self.generator.get_state(),
        }

    def restore(self, weights: dict[str, Tensor], state: dict[str, Any]) -> None:
        """Go back to what `state` and the network's state dict recorded."""
        self.network.load_state_dict(weights)
        self.epoch, self.step, self.seconds = state["epoch"], state["step"], state["seconds"]
        self.schedule = islice(self.make_schedule(), self.updates, None)
        self.history.copy_(state["history"])
        self.traced = list(state["traced"])
        self.optimiser.load_state_dict(state["optimiser"])
        if self.gradient_baseline:
            self.gradient_baseline.load_state_dict(state["gradient_baseline"])
        if state["sleep_optimiser"]:
            self.sleep_optimiser.load_state_dict(state["sleep_optimiser"])
        self.generator.set_state(state["generator"].cpu())

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
                if stop():
                    self.check()
                    self.save(folder)
                    yield Interrupted(self.updates)
                    return
            if due:
                self.save(folder, sparing=True)
            record = self.end_epoch()
            if due:
                record["validation"] = self.validate(validation)
            if folder:
                folder.append_metrics(record)
            saved = self.save(folder, sparing=self.epoch < training.epochs)
            yield Epoch(record)
            if stop():
                if not saved:
                    self.save(folder)
                yield Interrupted(self.updates)
                return

    def due(self, epoch: int) -> bool:
        """Whether that epoch ends with a validation."""
        training = self.recipe.training
        return bool(epoch % training.validate_every == 0 or epoch == training.epochs)

    def save(self, folder: RunFolder | None, sparing: bool = False) -> bool:
        """Write a checkpoint, if there is a folder to write it to; when `sparing`, only if one is due.
        Returns whether it did."""
        start = time.perf_counter()
        if not folder or (sparing and start < self.save_due):
            return False
        folder.save(self.updates, dict(self.network.state_dict()), self.state())
        now = time.perf_counter()
        self.save_due = now + SPARING * (now - start)
        return True

"""The one training loop. It writes nothing to a terminal: it yields events."""

import contextlib
import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from ffrec.checkpoint import RunFolder
from ffrec.config import Recipe
from ffrec.evaluate import evaluate_images
from ffrec.images import Images, silence
from ffrec.negatives import NEGATIVES
from ffrec.networks.recurrent import Recurrent
from ffrec.optimise import make_optimiser, make_scheduler

CHECK_EVERY = 50  # updates between two looks for a loss that is not finite


class Diverged(Exception):
    """The loss stopped being a number; the message names the layer and the update."""


@dataclass(frozen=True)
class Update:
    """One weight update is done."""

    epoch: int
    step: int
    steps: int
    images: int


@dataclass(frozen=True)
class Epoch:
    """One epoch is done; `record` is its line in metrics.jsonl."""

    record: dict[str, Any]


@dataclass(frozen=True)
class Interrupted:
    """Training was asked to stop, and its checkpoint is written."""

    step: int


@contextlib.contextmanager
def precision(name: str, device: torch.device) -> Iterator[None]:
    """Arithmetic of the matrix products: fp32, tf32 (NVIDIA), or bf16 (autocast, float32 weights)."""
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("high" if name == "tf32" else "highest")
    try:
        with torch.autocast(device.type, torch.bfloat16, enabled=name == "bf16"):
            yield
    finally:
        torch.set_float32_matmul_precision(before)


class Trainer:
    """A network in training: its data, its negatives, its optimiser, and how far it has come.

    The order of the images is a function of seed and epoch; all other chance comes from one generator on the
    device, whose state is part of `state`. So a resumed run repeats an uninterrupted one; on a CPU, bitwise.
    """

    def __init__(
        self,
        recipe: Recipe,
        images: Tensor,
        labels: Tensor,
        classes: int,
        seed: int = 0,
        device: str | torch.device = "cpu",
        arithmetic: str = "fp32",
    ) -> None:
        self.recipe, self.seed, self.device, self.arithmetic = recipe, seed, torch.device(device), arithmetic
        training = recipe.training
        self.images = Images(images, self.device, training.permute)
        self.labels = labels.to(self.device)
        drawn = torch.Generator().manual_seed(seed)
        self.network = Recurrent(recipe.network, self.images.features, classes, drawn).to(self.device)
        self.generator = torch.Generator(self.device).manual_seed(seed)
        self.steps = math.ceil(len(images) / training.batch)
        self.optimiser = make_optimiser(self.network.layers, self.network.readout, training)
        self.scheduler = make_scheduler(self.optimiser, training, self.steps * training.epochs)
        self.epoch, self.step = 0, 0
        self.history = torch.zeros(self.steps, 2 * len(recipe.network.hidden) + 1, device=self.device)
        self.seconds = 0.0

    @property
    def updates(self) -> int:
        """Weight updates so far."""
        return self.epoch * self.steps + self.step

    def order(self) -> Tensor:
        """This epoch's order of the training images."""
        drawn = torch.Generator().manual_seed(self.seed * 1_000_003 + self.epoch)
        return torch.randperm(len(self.images), generator=drawn).to(self.device)

    @torch.no_grad()
    def update(self, index: Tensor) -> None:
        """One weight update of all layers and of the softmax from the images at `index`."""
        training, labels = self.recipe.training, self.labels[index]
        rows = self.images.batch(index, training.jitter, self.generator)
        if training.dropout:
            rows = silence(rows, training.dropout, self.generator)
        seen = self.network.look(rows)
        features, logits = self.network.classify(seen)
        wrong = NEGATIVES[training.negatives](logits, labels, self.generator)
        softmax_loss = self.network.readout.learn(features, logits, labels)
        loss, pairwise = self.network.learn(seen, torch.stack([labels, wrong], dim=1))
        self.optimiser.step()
        self.scheduler.step()
        self.history[self.step] = torch.cat([loss, pairwise, softmax_loss.view(1)])
        self.step += 1

    def updates_of_epoch(self) -> Iterator[Update]:
        """Go on to the end of this epoch, one update at a time; raises Diverged."""
        batches = torch.split(self.order(), self.recipe.training.batch)
        while self.step < self.steps:
            start = time.perf_counter()
            with precision(self.arithmetic, self.device):
                self.update(batches[self.step])
            if self.step % CHECK_EVERY == 0 or self.step == self.steps:
                self.check()
            self.seconds += time.perf_counter() - start
            yield Update(self.epoch + 1, self.step, self.steps, len(batches[self.step - 1]))

    def check(self) -> None:
        """Raise Diverged if any loss of this epoch is not a finite number."""
        layers = len(self.recipe.network.hidden)
        names = [f"hidden layer {level}" for level in range(1, layers + 1)]
        bad = ~self.history[: self.step].isfinite()
        if bad.any():
            step = int(bad.any(1).nonzero()[0])
            columns = [*range(layers), -1]  # of the losses; the others hold pairwise accuracies
            where = [
                n for n, column in zip([*names, "the softmax"], columns, strict=True) if bad[step, column]
            ]
            update = self.epoch * self.steps + step + 1
            raise Diverged(
                f"the loss of {', '.join(where)} is not finite at update {update}: "
                "lower the learning rate; the last good checkpoint is kept"
            )

    def end_epoch(self) -> dict[str, Any]:
        """Close the epoch and return its record."""
        layers = len(self.recipe.network.hidden)
        means = self.history.mean(0).tolist()
        self.epoch, self.step = self.epoch + 1, 0
        record = {
            "epoch": self.epoch,
            "loss": means[:layers],
            "pairwise_accuracy": means[layers : 2 * layers],
            "softmax_loss": means[-1],
            "rate": self.scheduler.get_last_lr()[0],
            "seconds": self.seconds,
            "images_per_second": len(self.images) / max(self.seconds, 1e-9),
        }
        self.seconds = 0.0
        return record

    def state(self) -> dict[str, Any]:
        """Everything but the weights that a resumed run needs."""
        return {
            "epoch": self.epoch,
            "step": self.step,
            "seconds": self.seconds,
            "history": self.history,
            "optimiser": self.optimiser.state_dict(),
            "scheduler": self.scheduler.state_dict(),
            "generator": self.generator.get_state(),
        }

    def restore(self, weights: dict[str, Tensor], state: dict[str, Any]) -> None:
        """Go back to what `state` and the network's state dict recorded."""
        self.network.load_state_dict(weights)
        self.epoch, self.step, self.seconds = state["epoch"], state["step"], state["seconds"]
        self.history.copy_(state["history"])
        self.optimiser.load_state_dict(state["optimiser"])
        self.scheduler.load_state_dict(state["scheduler"])
        self.generator.set_state(state["generator"].cpu())

    def run(
        self,
        folder: RunFolder | None = None,
        validation: tuple[Images, Tensor] | None = None,
        stop: Callable[[], bool] = bool,
    ) -> Iterator[Update | Epoch | Interrupted]:
        """Train to the last epoch, validating and saving on the way; yields what happens.

        `stop` is asked after every update; when it says yes, a checkpoint is written and the run ends with
        Interrupted. Raises Diverged, before anything bad is saved.
        """
        training = self.recipe.training
        while self.epoch < training.epochs:
            for update in self.updates_of_epoch():
                yield update
                if stop():
                    self.check()
                    self.save(folder)
                    yield Interrupted(self.updates)
                    return
            record = self.end_epoch()
            due = self.epoch % training.validate_every == 0 or self.epoch == training.epochs
            if validation and due:
                record["validation"] = evaluate_images(self.network, *validation, all_iterations=False)
            if folder:
                folder.append_metrics(record)
            self.save(folder)
            yield Epoch(record)

    def save(self, folder: RunFolder | None) -> None:
        """Write a checkpoint, if there is a folder to write it to."""
        if folder:
            folder.save(self.updates, dict(self.network.state_dict()), self.state())

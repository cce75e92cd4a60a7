"""Training on strings of characters."""

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from ffrec.config import TextRecipe
from ffrec.config.training import Phase
from ffrec.data.images import silence
from ffrec.data.sampling import draw, sharpen
from ffrec.evaluation.text import evaluate_text
from ffrec.networks.character import Character, Seen, windows_of
from ffrec.training.phases import PHASES, Schedule, dreaming
from ffrec.training.trainer import Diverged, Trainer

DREAMT = 1000  # strings that are written together in a night; bounds memory


class TextTrainer(Trainer):
    """The loop for strings of codes `(n, length)`; negative data are characters that the network writes.

    Positive data are the windows that lie in a string and have a character after them, with that character if
    the network looks ahead. Negative data are, in regime teacher-forced, such passages with the network's own
    prediction in the last place, otherwise passages of `dreams`: strings that go on from the real ones' first
    window in the network's own words.
    """

    counted, judged = "characters", "accuracy"

    def __init__(
        self,
        recipe: TextRecipe,
        strings: Tensor,
        symbols: int,
        seed: int = 0,
        device: str | torch.device = "cpu",
        arithmetic: str = "fp32",
    ) -> None:
        training = recipe.training
        self.strings = strings[: training.strings].to(device)
        network = Character(recipe.network, symbols, torch.Generator().manual_seed(seed))
        super().__init__(recipe, network, len(self.strings), seed, device, arithmetic)
        self.passes = training.passes
        self.size = self.cases * (self.strings.shape[1] - recipe.network.window)
        self.taught = 0 if training.regime == "random" else self.taught
        self.prepare()
        self.dreams = self.strings.clone()
        self.diary: Callable[[Tensor], None] | None = None
        """What is told every night's dreams."""

    def make_schedule(self) -> Schedule:
        training = self.recipe.training
        return dreaming(self.apart()) if training.awake else PHASES[training.regime](training.night)

    def update(self, index: Tensor) -> Tensor:
        """Do with the strings at `index` what the schedule wants."""
        measured = torch.zeros(2 * self.taught + 1, device=self.device)
        for phase in next(self.schedule):
            if phase == "dream":
                self.dreams[index] = self.dream(self.strings[index])
            elif phase == "night":
                self.dreams = torch.cat([self.dream(part) for part in self.strings.split(DREAMT)])
                if self.diary:
                    self.diary(self.dreams)
            else:
                measured += self.teach(index, phase)
        return measured

    def dream(self, strings: Tensor) -> Tensor:
        """Strings that go on from the first window of the given ones, written by the network."""
        size, length = self.network.config.window, strings.shape[1]
        temperature = self.recipe.training.temperature
        written: Tensor = self.network.write(strings[:, :size], length - size, self.generator, temperature)
        return written

    def teach(self, index: Tensor, phase: Phase) -> Tensor:
        """One weight update from positive data (wake), negative data (sleep), or both."""
        network, strings = self.network, self.strings[index]
        measured = torch.zeros(2 * self.taught + 1, device=self.device)
        if self.taught:
            network.clear()
        network.readout.zero_grad()  # None: asleep, the optimiser leaves the softmax alone
        if phase != "sleep":
            windows, following = network.cases(strings)
            seen = network.look(windows)
            features = network.features(seen)
            logits = network.readout(features)
            if self.recipe.training.regime == "teacher-forced":
                negative = self.predicted(windows, logits)
            measured[self.taught] = self.teach_softmax(features, logits, following)
            if network.config.lookahead and self.taught:
                seen = network.look(torch.cat([windows, following[:, None]], dim=1))
            self.teach_layers(seen, 1.0, measured)
        if phase != "wake" and self.taught:
            if self.recipe.training.regime != "teacher-forced":
                negative = self.dreamt(index)
            self.teach_layers(network.look(negative), -1.0, measured)
        self.step_optimiser(phase)
        return measured

    def dreamt(self, index: Tensor) -> Tensor:
        """All passages of dreams that hold a character of the network's own, `(cases, characters)`."""
        predictions = self.dreams.shape[1] - self.network.config.window
        passages = windows_of(self.dreams[index], self.network.passage)[:, -predictions:]
        return passages.flatten(0, 1)

    def teach_layers(self, seen: Seen, sign: float, measured: Tensor) -> None:
        """Gradients of the hidden layers from positive or negative windows, and what was measured of them."""
        if self.taught:
            loss, right = self.network.learn(seen, sign)
            measured[: self.taught] += loss
            measured[self.taught + 1 :] += right / 2  # positive and negative cases count alike

    def teach_softmax(self, features: Tensor, logits: Tensor, following: Tensor) -> Tensor:
        """Gradients of the softmax, of which dropout hides some of the features; returns its loss."""
        share = self.recipe.training.dropout
        if share:
            features = silence(features, share, self.generator) / (1 - share)
            logits = self.network.readout(features)
        loss: Tensor = self.network.readout.learn(features, logits, following)
        return loss

    def predicted(self, windows: Tensor, logits: Tensor) -> Tensor:
        """Passages that end in the network's own prediction, not the real character: teacher forcing."""
        p = sharpen(logits.log_softmax(1), self.recipe.training.temperature)
        passages = torch.cat([windows, draw(p, self.generator)[:, None]], dim=1)
        return passages[:, -self.network.passage :]

    def validate(self, held_out: Tensor) -> dict[str, Any]:
        """Perplexity on held-out strings and on the training strings; the memory is filled for it, and its
        share set by the held-out ones."""
        network = self.network
        network.remember(self.strings)
        found = evaluate_text(network, held_out, weigh=True)
        if not math.isfinite(found["perplexity"]):
            raise Diverged(
                f"the validation perplexity is {found['perplexity']} after update {self.updates}: "
                "lower the learning rate and train again with --force"
            )
        if network.memory:
            network.memory.forget()  # what it stored ages with every update
        found["training_perplexity"] = evaluate_text(network, self.strings)["perplexity"]
        return found

    def state(self) -> dict[str, Any]:
        return super().state() | {"dreams": self.dreams}

    def restore(self, weights: dict[str, Tensor], state: dict[str, Any]) -> None:
        super().restore(weights, state)
        self.dreams = state["dreams"].to(self.device)

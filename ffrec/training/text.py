"""Training on strings of characters."""

import math
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import torch
from torch import Tensor

from ffrec.config import TextNetworkConfig, TextRecipe
from ffrec.config.layers import spread
from ffrec.data.draws import Draws
from ffrec.data.images import silence
from ffrec.data.sampling import draw, sharpen
from ffrec.evaluation.health import guessed_text
from ffrec.evaluation.ngram import unigram_log_likelihood
from ffrec.evaluation.text import evaluate_text, perplexity
from ffrec.learning.transform import Transform
from ffrec.negatives.labels import Every
from ffrec.networks.text.network import TextNetwork, windows_of
from ffrec.registry import pick
from ffrec.training.events import Diverged
from ffrec.training.memory import check_memory
from ffrec.training.phases import Phase, Schedule, generating
from ffrec.training.trainer import Trainer

CHECKED = 10  # training strings whose activities are checked
EVALUATED = 2000  # training strings that are predicted beside held-out ones
GENERATED = 1000  # strings that are generated together; bounds memory


def make_network(config: TextNetworkConfig, symbols: int, generator: torch.Generator) -> TextNetwork:
    """The network for characters that a configuration names, with new weights."""
    network: TextNetwork = pick("network", config.kind)(config, symbols, generator)
    return network


class TextTrainer(Trainer):
    """The loop for strings of codes `(n, length)`; negative data are characters that the network generates.

    Positive data are the windows that lie in a string and have a character after them, with that character if
    layers see it. Negative data are, in regime teacher-forced, such passages with a predicted character in
    the last place, otherwise passages of `negatives`: strings that begin with the real ones' first window and
    go on with characters that the network generates.
    """

    counted, accuracy_name = "characters", "accuracy"

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

        def make(generator: torch.Generator) -> TextNetwork:
            return make_network(recipe.network, symbols, generator)

        check_memory(make, recipe.training, torch.device(device), arithmetic)
        network = make(torch.Generator().manual_seed(seed))
        super().__init__(recipe, network, len(self.strings), seed, device, arithmetic)
        self.passes, self.wrong = training.passes, pick("negatives", training.negatives)()
        self.size = self.cases * (self.strings.shape[1] - recipe.network.window)
        self.learning_layers = 0 if training.regime == "random" else self.learning_layers
        self.prepare()
        self.night = Draws(seed, self.device)
        """What is drawn for all strings at once, rather than for a batch."""
        self.negatives = self.strings.clone()
        """The negative string that was last generated for each string."""
        self.on_generate: Callable[[Tensor], None] | None = None
        """Called with all negative strings whenever they are generated together."""

    def make_schedule(self) -> Schedule:
        training = self.recipe.training
        regime = pick("regime", training.regime)
        return generating(self.apart()) if training.wake else regime(training.night)

    def update(self, index: Tensor) -> Tensor:
        """Do with the strings at `index` what the schedule says."""
        measured = torch.zeros(2 * self.learning_layers + 1, device=self.device)
        learn = self.try_characters if self.tries else self.learn
        for phase in next(self.schedule):
            self.sharing.settle()
            if phase == "generate":
                self.carry_out(self.write, index, phase)
            elif phase == "generate-all":
                self.write_all()
            else:
                self.begin(phase)
                measured += self.carry_out(learn, index, phase)
        return measured

    def write(self, index: Tensor, _phase: Phase) -> Tensor:
        """Write new negative strings for those at `index`."""
        self.negatives[index] = self.generate(self.strings[index], self.draws)
        return self.negatives

    def write_all(self) -> None:
        """Write new negative strings for all."""
        own = torch.cat([self.strings[:0], *self.generate_all()])
        self.negatives.copy_(self.team.whole(own, len(self.strings)))
        if self.on_generate:
            self.on_generate(self.negatives)

    def generate_all(self) -> Iterator[Tensor]:
        """Negative strings for this process's part of the training strings, some at a time."""
        place = self.team.part(len(self.strings))
        for start in range(place.start, place.stop, GENERATED):
            part = self.strings[start : min(start + GENERATED, place.stop)]
            self.night.begin(self.updates, len(part), start, stream=1)
            yield self.generate(part, self.night)

    def generate(self, strings: Tensor, draws: Draws) -> Tensor:
        """Strings that begin with the first window of the given ones and go on as the network predicts."""
        size, length = self.network.config.window, strings.shape[1]
        temperature = self.recipe.training.temperature
        made: Tensor = self.network.dream(strings[:, :size], length - size, draws, temperature)
        return made

    def learn(self, index: Tensor, phase: Phase) -> Tensor:
        """One weight update from positive data (wake), negative data (sleep), or both.

        All passages are rows of one pass, the positive ones first, so that every weight matrix takes one
        product.
        """
        network, measured = self.network, torch.zeros(2 * self.learning_layers + 1, device=self.device)
        network.readout.zero_grad()  # None: in sleep phases the optimiser leaves the softmax alone
        passages = [self.negative_passages(index)] if self.generates(phase) else []
        encoding, following = None, None
        if phase != "sleep":
            windows, following = network.cases(self.strings[index])
            whole = torch.cat([windows, following[:, None]], dim=1)
            passages.insert(0, whole[:, : network.passage])
            if network.passage == network.config.window:  # the softmax reads the layers' own pass
                encoding = network.encode(torch.cat(passages))
            features = network.features(encoding or network.encode(windows), len(windows))
            logits = network.readout(features)
            if self.recipe.training.regime == "teacher-forced" and self.kinds == 2:
                passages, encoding = [*passages, self.predicted(windows, logits)], None
            measured[self.learning_layers] = self.learn_softmax(features, logits, following)
        if self.learning_layers:
            network.zero_grad()
            target = following if self.kinds == 1 else self.signs([len(part) for part in passages], phase)
            with network.perturbed(None, self.drops):
                step = encoding.step if encoding else network.step_of(torch.cat(passages))
                loss, accuracy = network.learn_step(step, target)
            measured[: self.learning_layers] = loss * len(passages)
            share = len(passages) / self.kinds  # both kinds count alike
            measured[self.learning_layers + 1 :] = accuracy * share
        self.step_optimiser(phase)
        return measured

    def try_characters(self, index: Tensor, phase: Phase) -> Tensor:
        """One weight update in which characters are tried after each window of the strings at `index`.

        The softmax reads the windows with the neutral character, and with all units of the hidden layers.
        """
        network = self.network
        windows, following = network.cases(self.strings[index])
        encoding = network.encode(self.obscured(windows), network.states(self.strings[index]))
        features = network.features(encoding)
        logits = network.readout(features)
        softmax_loss = self.learn_softmax(features, logits, following)
        tried, target = self.candidates(logits, following)
        network.zero_grad()
        with network.perturbed(None, self.drops):
            loss, accuracy = network.learn(encoding, tried, target)
        self.step_optimiser(phase)
        return torch.cat([loss, softmax_loss.view(1), accuracy])

    def candidates(self, logits: Tensor, following: Tensor) -> tuple[Tensor, Tensor]:
        """Characters that are tried after each window, `(cases, candidates)`, and what the layers' objective
        expects of them: all, alike after all windows; or the one that came and then negative ones."""
        places = self.network.layer(1).objective.target == "places"
        if self.network.tried is not None and places and isinstance(self.wrong, Every):
            return self.network.tried, following
        wrong = self.wrong.labels(logits, following, self.draws)
        tried = torch.cat([following.unsqueeze(1), wrong], dim=1)
        signs = torch.full((tried.shape[1],), -1.0, device=self.device)
        signs[:1] = 1.0
        return tried, torch.zeros_like(following) if places else signs

    @property
    def drops(self) -> dict[int, Transform]:
        """What leaves out units of the layers that have dropout, by level."""
        shares = spread(self.recipe.training.hidden_dropout, len(self.network.levels))
        return {level: partial(self.drop, share) for level, share in enumerate(shares, 1) if share}

    def drop(self, share: float, h: Tensor) -> Tensor:
        """Factors `(cases, 1, units)`: 0 for the share of the units that dropout leaves out, alike for all
        candidates; otherwise one by which the mean square stays what it was."""
        kept = torch.full_like(h[:, :1], (1 - share) ** -0.5)
        return silence(kept, share, self.draws)

    def obscured(self, windows: Tensor) -> Tensor:
        """Windows of which some characters are blank."""
        share = self.recipe.training.blanks
        if not share:
            return windows
        return windows.masked_fill(self.draws.chance(share, windows.shape), self.network.symbols)

    def generates(self, phase: Phase) -> bool:
        """Whether a phase learns from passages of `negatives`."""
        regime = self.recipe.training.regime
        return phase != "wake" and self.kinds == 2 and regime not in ("random", "teacher-forced")

    def negative_passages(self, index: Tensor) -> Tensor:
        """All passages of negative strings that hold a generated character, `(cases, characters)`."""
        predictions = self.negatives.shape[1] - self.network.config.window
        passages = windows_of(self.negatives[index], self.network.passage)[:, -predictions:]
        return passages.flatten(0, 1)

    def signs(self, counts: list[int], phase: Phase) -> Tensor:
        """The target of so many passages of each kind, `(passages, 1)`: 1 for positive ones, which come
        first, and −1 for negative ones."""
        signs = torch.full((sum(counts), 1), -1.0, device=self.device)
        signs[: counts[0] * (phase != "sleep")] = 1.0
        return signs

    @property
    def tries(self) -> bool:
        """Whether characters are tried after real windows, rather than read in strings."""
        config = self.network.config
        return self.network.tried is not None and not config.generates

    @property
    def kinds(self) -> int:
        """Of data that an update learns from: positive and negative, or positive alone."""
        return 1 if self.network.config.by_class else 2

    def learn_softmax(self, features: Tensor, logits: Tensor, following: Tensor) -> Tensor:
        """Gradients of the softmax, of which dropout hides some of the features; returns its loss."""
        share = self.recipe.training.dropout
        if share:
            features = silence(features, share, self.draws) / (1 - share)
            logits = self.network.readout(features)
        loss: Tensor = self.network.readout.learn(features, logits, following)
        return loss

    def predicted(self, windows: Tensor, logits: Tensor) -> Tensor:
        """Passages that end in a predicted character in place of the real one: teacher forcing."""
        p = sharpen(logits.log_softmax(1), self.recipe.training.temperature)
        passages = torch.cat([windows, draw(p, self.draws)[:, None]], dim=1)
        return passages[:, -self.network.passage :]

    def activities(self) -> list[Tensor]:
        """Of the passages of the first training strings."""
        checked = self.strings[:CHECKED]
        step = self.network.step_of(self.network.passages(checked), self.network.states(checked))
        return list(step.activities.values())

    def guessed(self, found: dict[str, Any]) -> list[str]:
        return guessed_text(found["perplexity"], found["unigram"], "validation")

    def validate(self, held_out: Tensor) -> dict[str, Any]:
        """Perplexity on held-out strings and on the first training strings; the memory is filled for it, and
        its share set by the held-out ones."""
        network = self.network
        network.remember(self.strings)
        found = evaluate_text(network, held_out, weigh=True, team=self.team)
        if not math.isfinite(found["perplexity"]):
            raise Diverged(
                f"the validation perplexity is {found['perplexity']} after update {self.updates}: "
                "lower the learning rate and train again with --force"
            )
        if network.memory:
            network.memory.forget()  # what it stored ages with every update
        again = evaluate_text(network, self.strings[:EVALUATED], team=self.team)
        start, symbols = network.config.window, network.symbols
        counted = perplexity(unigram_log_likelihood(self.strings, held_out, start, symbols))
        return {**found, "training_perplexity": again["perplexity"], "unigram": counted}

    def state(self) -> dict[str, Any]:
        return super().state() | {"negatives": self.negatives}

    def restore(self, weights: dict[str, Tensor], state: dict[str, Any]) -> None:
        super().restore(weights, state)
        self.negatives.copy_(state["negatives"])

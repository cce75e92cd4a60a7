"""Runs on a text."""

import dataclasses
import hashlib
import math
from collections.abc import Callable, Iterator
from typing import Any

import safetensors.torch
import torch
from torch import Tensor

from ffrec.config import TextRecipe, TextTraining
from ffrec.data.draws import Draws
from ffrec.data.strings import first
from ffrec.evaluation.calibration import Calibration
from ffrec.evaluation.health import guessed_text
from ffrec.evaluation.text import calibrate_text, evaluate_text
from ffrec.networks.text.network import TextNetwork
from ffrec.parallel.team import ALONE, Team
from ffrec.storage.files import write_atomic
from ffrec.storage.run_folder import RunFolder
from ffrec.tasks.recorded import (
    check_data,
    describe,
    give_exponents,
    refuse_empty,
    restored,
    stored_calibration,
    weights,
)
from ffrec.tasks.stored_text import (
    PARTS,
    DescribedText,
    StoredText,
    Text,
    in_pieces,
    packed,
    symbols_of,
)
from ffrec.tasks.task import Task, TrainedRun
from ffrec.tasks.text_baselines import counted_results, held_out
from ffrec.training.text import EVALUATED, TextTrainer, make_network

DREAMT = 1000  # strings that are generated together; bounds memory
SHOWN = 100  # test strings whose goodness is kept for a picture


class TextTask(Task):
    """A recipe for characters, trained on the strings of a text."""

    def __init__(
        self,
        recipe: TextRecipe,
        corpus: DescribedText,
        seed: int = 0,
        device: str | torch.device = "cpu",
        precision: str = "fp32",
        plugins: tuple[str, ...] = (),
    ) -> None:
        super().__init__(plugins)
        self.recipe, self.corpus, self.symbols = recipe, corpus, corpus.description.classes
        parts = {"training": corpus.train, "validation": corpus.validation}
        if corpus.sha256:  # of the whole text: a search has it without its test strings
            parts["test"] = corpus.test
        refuse_empty(parts)
        self.text = in_pieces(corpus, recipe.network.window)
        self.trainer: TextTrainer = TextTrainer(
            recipe, self.text.train, len(self.symbols), seed, device, precision
        )
        self.stored = packed(corpus, len(self.symbols))

    @property
    def data(self) -> dict[str, Any]:
        file = hashlib.sha256(self.stored).hexdigest()
        return {"symbols": list(self.symbols), "text": self.corpus.sha256, "text_file": file}

    @property
    def validation(self) -> Tensor:
        return self.text.validation.to(self.trainer.device)

    def notes(self) -> list[str]:
        about = getattr(self.corpus, "about", None)
        lines = about().splitlines() if about else []
        used, there = len(self.trainer.strings), len(self.text.train)
        if used < there:
            lines.append(f"trains on the first {used} of {there} strings: --set strings=none trains on all")
        return lines

    def keep(self, folder: RunFolder) -> None:
        write_atomic(folder.path / StoredText.FILE, self.stored)

    def finish(self, folder: RunFolder | None) -> dict[str, Any]:
        trainer, text = self.trainer, self.text
        network = trainer.network
        with torch.no_grad():
            network.remember(trainer.strings)
        calibration = trainer.team.lead(lambda: calibrate_text(network, self.validation))
        network.exponents = calibration.exponents
        if folder is not None:
            folder.write_json("calibration.json", dataclasses.asdict(calibration))
        parts, counted = {name: getattr(text, name) for name in ("validation", "test")}, {}
        if folder is not None:  # before its memory is emptied
            seen = first(self.corpus.train, self.recipe.training.strings, network.config.window)
            counted = counted_results(network, seen, text.validation, parts)
        found = evaluate_parts(network, self.recipe.training, text, trainer.team)
        if folder is None:
            return found
        result = describe(folder, trainer.device) | found
        result |= {"updates": trainer.updates, **counted}
        unigram = counted["baselines"]["unigram"]["test"]["perplexity"]
        last = (folder.metrics() or [{}])[-1]
        result["warnings"] = [
            *last.get("warnings", []),
            *guessed_text(result["test"]["perplexity"], unigram, "test"),
        ]
        strings, drawn = text.test[:SHOWN].to(trainer.device), Draws(trainer.seed, trainer.device)
        shown = dreamt_examples(network, strings, drawn, self.recipe.training.temperature)
        write_atomic(folder.path / "examples.safetensors", safetensors.torch.save(shown))
        folder.write_json("result.json", result)
        return result

    def score(self, result: dict[str, Any]) -> float:
        """Minus the bits per character of the test strings."""
        return -float(result["test"]["bits_per_character"])

    @staticmethod
    def summary(result: dict[str, Any]) -> list[str]:
        recalls = "softmax_perplexity" in result.get("test", {})
        lines = [part_summary(part, result[part], recalls) for part in (*PARTS, "text") if part in result]
        for name, found in result.get("baselines", {}).items():
            values = ", ".join(f"{part} {found[part]['perplexity']:.2f}" for part in found if part in result)
            lines.append(f"            {name}: {values}")
        together = result.get("with_counts", {})
        values = ", ".join(f"{p} {found['perplexity']:.2f}" for p, found in together.items() if p in result)
        if together:
            share = f"{100 * together['share']:.0f} % of it"
            lines.append(f"            with {together['model']}, {share}: {values}")
        lines += [f"   warning: {warning}" for warning in result.get("warnings", [])]
        return [*lines, f"       run: {result['run']}"]


def part_summary(part: str, found: dict[str, Any], recalls: bool) -> str:
    """The perplexity of one part of a text, in one line; `recalls`: the network has a memory."""
    between = "95 % {:.2f} to {:.2f}".format(*found["interval"]) if found["interval"] else "too few for 95 %"
    alone = f"; without memory {found['softmax_perplexity']:.2f}" if "softmax_perplexity" in found else ""
    by = " without the memory (it would only recall)" if part == "train" and recalls else ""
    parts = [f"{name} {value:.2f}" for name, value in found.get("by_part", {}).items()]
    alone += f"; by {', '.join(parts)}" if parts else ""
    nats = math.log(found["perplexity"])
    return (
        f"{part:>10}: perplexity {found['perplexity']:.2f} ({between}), {nats:.3f} nats or "
        f"{found['bits_per_character']:.3f} bits a character; {found['characters']} characters in "
        f"{found['strings']} strings{alone}{by}"
    )


class TrainedText(TrainedRun):
    """A trained network for characters, its memory filled from the training strings, with its text."""

    on, command = "a text", "ffrec perplexity"

    def __init__(
        self,
        folder: RunFolder,
        recipe: TextRecipe,
        load: Callable[[TextRecipe], Text],
        device: torch.device,
    ) -> None:
        saved = weights(folder, device)
        self.folder, self.recipe, self.device = folder, recipe, device
        self.symbols = symbols_of(folder.config, folder.path)
        self.whole: Text = StoredText.read(folder) or load(recipe)
        check_data(folder, {"text": self.whole.sha256}, recipe.data)
        window, used = recipe.network.window, recipe.training.strings
        self.text, self.seen = in_pieces(self.whole, window), first(self.whole.train, used, window)

        def make(generator: torch.Generator) -> TextNetwork:
            return make_network(recipe.network, len(self.symbols), generator)

        self.network = restored(make, saved, recipe.name, device)
        give_exponents(self.network, stored_calibration(folder) or Calibration(), folder.path)
        self.train = self.text.train[:used]
        with torch.no_grad():
            self.network.remember(self.train.to(device))

    def evaluate(self) -> dict[str, Any]:
        """The result on the run's own text, beside models that count its training strings."""
        counted = self.counted({name: getattr(self.text, name) for name in ("validation", "test")})
        result = evaluate_parts(self.network, self.recipe.training, self.text)  # which empties the memory
        return describe(self.folder, self.device) | result | counted

    def evaluate_other(self, strings: Tensor) -> dict[str, Any]:
        """The result on the strings of another text, beside the same models."""
        found = evaluate_text(self.network, strings.to(self.device))
        return describe(self.folder, self.device) | {"text": found} | self.counted({"text": strings})

    def counted(self, parts: dict[str, Tensor]) -> dict[str, Any]:
        """What models that count the training strings predict, and the network with them."""
        return counted_results(self.network, self.seen, self.text.validation, parts)

    def dream(self, count: int, seed: int, temperature: float) -> Iterator[dict[str, Tensor]]:
        """Negative strings that go on from validation strings, some at a time: see `dreamt_examples`."""
        real, drawn = self.text.validation, Draws(seed, self.device)
        for turn, start in enumerate(range(0, count, DREAMT)):
            drawn.begin(turn)
            places = torch.arange(start, min(start + DREAMT, count)) % len(real)
            yield dreamt_examples(self.network, real[places].to(self.device), drawn, temperature)


def evaluate_parts(
    network: TextNetwork, training: TextTraining, text: Text, team: Team = ALONE
) -> dict[str, Any]:
    """Perplexity on validation and test strings; then the memory, if there is one, is emptied, as it would
    only recall the training strings, and the first 2000 of these are predicted without it."""
    found = held_out(network, text, team)
    if network.memory:
        network.memory.forget()
    train = text.train[: training.strings][:EVALUATED].to(network.device)
    found["train"] = evaluate_text(network, train, team=team)
    return found


def dreamt_examples(
    network: TextNetwork, strings: Tensor, drawn: Draws, temperature: float
) -> dict[str, Tensor]:
    """Real strings, strings that the network generates from their first windows, and the goodness of both.

    `positive` and `negative` have shape `(layers, strings)`: the mean goodness of a string's passages.
    """
    size, length = network.config.window, strings.shape[1]
    with torch.no_grad():
        dreamt = network.dream(strings[:, :size], length - size, drawn, temperature)
        positive, negative = network.goodness_of(strings), network.goodness_of(dreamt)
    found = {"strings": strings, "dreamt": dreamt, "positive": positive, "negative": negative}
    return {name: value.cpu().contiguous() for name, value in found.items()}

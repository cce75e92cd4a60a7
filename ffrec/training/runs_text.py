"""Runs on a text: trained networks from run folders, results, and what else could predict the strings."""

import math
from collections.abc import Callable
from functools import partial
from typing import Any

import safetensors.torch
import torch
from torch import Tensor

from ffrec.baselines.baselines import backprop
from ffrec.config import TextRecipe, TextTraining
from ffrec.evaluation.ngram import best_kneser_ney, unigram_log_likelihood
from ffrec.evaluation.text import evaluate_text, summary
from ffrec.networks.character import Character
from ffrec.storage.files import RunError, write_atomic
from ffrec.storage.run_folder import RunFolder
from ffrec.training.runs import Text, describe, weights
from ffrec.training.text import TextTrainer

SHOWN = 100  # test strings whose goodness is kept for a picture


def trained_writer(folder: RunFolder, recipe: TextRecipe, text: Text, device: torch.device) -> Character:
    """The next-character network of a run folder, its memory filled from the training strings it had.

    Raises RunError, also if the text is not the one the run was trained on.
    """
    if text.sha256 != folder.config.get("text"):
        raise RunError(
            f"{recipe.data} is not the text that {folder.path} was trained on: expected SHA-256 "
            f"{str(folder.config.get('text'))[:16]}… of its strings, found {text.sha256[:16]}…: restore it"
        )
    network = Character(recipe.network, len(folder.config["symbols"]), torch.Generator())
    network.load_state_dict(weights(folder, recipe.name, device))
    with torch.no_grad():
        network.to(device).remember(text.train[: recipe.training.strings].to(device))
    return network


def evaluate_parts(network: Character, training: TextTraining, text: Text) -> dict[str, Any]:
    """Perplexity on validation and test strings; then the memory, if there is one, is emptied, as it would
    only recall the strings trained on, and the softmax alone is judged by those."""
    found = held_out(network, text)
    if network.memory:
        network.memory.forget()
    found["train"] = evaluate_text(network, text.train[: training.strings].to(network.offsets.device))
    return found


def counted_baselines(train: Tensor, text: Text, start: int, symbols: int) -> dict[str, Any]:
    """Perplexity on validation and test of models that only count the training strings."""
    kneser_ney = best_kneser_ney(train, text.validation, start, symbols)
    models: dict[str, Callable[[Tensor], Tensor]] = {
        "uniform": lambda part: torch.full((len(part), part.shape[1] - start), -math.log(symbols)),
        "unigram": lambda part: unigram_log_likelihood(train, part, start, symbols),
        f"Kneser-Ney of order {kneser_ney.order}": lambda part: kneser_ney.log_likelihood(part, start),
    }
    return {
        name: {part: summary(model(getattr(text, part))) for part in ("validation", "test")}
        for name, model in models.items()
    }


def network_baselines(
    folder: RunFolder, recipe: TextRecipe, text: Text, symbols: int, device: torch.device
) -> dict[str, Any]:
    """Networks of the run's shape, trained on its strings in float32, and kept in its baselines.json: random
    features (only the softmax learns) and backpropagation with early stopping, both from the run's kind of
    initial weights and, where these differ, from plain ones; if the run has a memory, also random features
    with it, which tells what it is worth that hidden layers learn."""
    kept = folder.read_json("baselines.json") or {}
    seed, fixed = folder.config["seed"], {"regime": "random"}
    own = recipe.override({"memory": 0.0, "lookahead": False})
    shapes = {"": own, " (plain initial weights)": own.override({"recency": 1.0, "bias": 0.0})}
    train, validation = (part.to(device) for part in (text.train[: recipe.training.strings], text.validation))

    def random_features(shape: TextRecipe) -> dict[str, Any]:
        trainer = TextTrainer(shape.override(fixed), train, symbols, seed, device)
        for _ in trainer.run(None, validation):
            pass
        with torch.no_grad():
            trainer.network.remember(train)
        return held_out(trainer.network, text)

    def learnt(shape: TextRecipe) -> dict[str, Any]:
        network, how = backprop(shape, train, validation, symbols, seed)
        return held_out(network, text) | how

    wanted: dict[str, Callable[[], dict[str, Any]]] = {}
    if recipe.network.memory:
        wanted["random features with the memory"] = partial(random_features, recipe)
    for note, shape in shapes.items():
        if not note or shape != own:
            wanted[f"random features{note}"] = partial(random_features, shape)
            wanted[f"backpropagation{note}"] = partial(learnt, shape)
    for name, measure in wanted.items():
        if name not in kept:
            kept[name] = measure()
            folder.write_json("baselines.json", kept)
    return kept


def held_out(network: Character, text: Text) -> dict[str, Any]:
    """Perplexity on the validation and on the test strings."""
    device = network.offsets.device
    return {part: evaluate_text(network, getattr(text, part).to(device)) for part in ("validation", "test")}


def dreamt_examples(network: Character, strings: Tensor, seed: int, temperature: float) -> dict[str, Tensor]:
    """Real strings, strings dreamt from their first windows, and the goodness of both, string by string.

    Dreams come from the softmax alone, as in training: a memory is emptied first.

    `positive` and `negative` have shape `(layers, strings)`: the mean goodness of a string's passages.
    """
    size, length = network.config.window, strings.shape[1]
    drawn = torch.Generator(strings.device).manual_seed(seed)
    if network.memory:
        network.memory.forget()
    with torch.no_grad():
        dreamt = network.write(strings[:, :size], length - size, drawn, temperature)
        positive, negative = network.goodness_of(strings), network.goodness_of(dreamt)
    found = {"strings": strings, "dreamt": dreamt, "positive": positive, "negative": negative}
    return {name: value.cpu().contiguous() for name, value in found.items()}


def finish_text(trainer: TextTrainer, folder: RunFolder, text: Text) -> dict[str, Any]:
    """Read the test strings, once, and write `result.json` and the examples that pictures are made from."""
    network, recipe = trainer.network, trainer.recipe
    with torch.no_grad():
        network.remember(trainer.strings)
    result = describe(folder, trainer.device) | evaluate_parts(network, recipe.training, text)
    result["updates"] = trainer.updates
    train = trainer.strings.cpu()
    result["baselines"] = counted_baselines(train, text, recipe.network.window, network.symbols)
    strings = text.test[:SHOWN].to(trainer.device)
    shown = dreamt_examples(network, strings, trainer.seed, recipe.training.temperature)
    write_atomic(folder.path / "examples.safetensors", safetensors.torch.save(shown))
    folder.write_json("result.json", result)
    return result

"""A run from its first update to its result: a recipe, a seed and a data set meet in a run folder."""

import dataclasses
import json
import math
from collections.abc import Callable
from functools import partial
from typing import Any, Protocol

import safetensors.torch
import torch
from torch import Tensor

from ffrec.baselines import backprop
from ffrec.checkpoint import RunError, RunFolder, write_atomic
from ffrec.config import ConfigError, ImageRecipe, Recipe, TextRecipe, TextTraining
from ffrec.evaluate import BATCH, evaluate_images, examples
from ffrec.evaluate_text import evaluate_text, summary
from ffrec.images import Images, LabelledImages
from ffrec.negatives import hard_labels
from ffrec.networks.character import Character
from ffrec.networks.recurrent import Recurrent
from ffrec.ngram import best_kneser_ney, unigram_log_likelihood
from ffrec.train import Trainer
from ffrec.train_images import ImageTrainer
from ffrec.train_text import TextTrainer

SHOWN = 100  # test strings whose goodness is kept for a picture


class Text(Protocol):
    """Strings of codes `(n, length)` in three parts, and a checksum of them all."""

    @property
    def train(self) -> Tensor: ...
    @property
    def validation(self) -> Tensor: ...
    @property
    def test(self) -> Tensor: ...
    @property
    def sha256(self) -> str: ...


def pick_device(name: str, precision: str = "fp32") -> torch.device:
    """The torch device called auto, cpu, cuda or mps; raises ConfigError if this machine has none."""
    there = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if name == "auto":
        name = "cuda" if there["cuda"] else "mps" if there["mps"] else "cpu"
    if not there.get(name):
        found = ", ".join(device for device, is_there in there.items() if is_there)
        raise ConfigError(f"device: expected one this machine has ({found}), found {name}: use --device auto")
    if precision == "tf32" and name != "cuda":
        raise ConfigError(f"precision: tf32 needs --device cuda, found {name}: use fp32")
    return torch.device(name)


def plain(recipe: Recipe) -> dict[str, Any]:
    """A recipe as plain JSON values."""
    values: dict[str, Any] = json.loads(json.dumps(dataclasses.asdict(recipe)))
    return values


def configuration(
    recipe: Recipe, seed: int, precision: str, text: "Text | None" = None, symbols: str = ""
) -> dict[str, Any]:
    """What decides a run's numbers, the way its folder records it; a text by its checksum and symbols."""
    held = {"recipe": plain(recipe), "seed": seed, "precision": precision}
    return held | {"symbols": list(symbols), "text": text.sha256} if text else held


def settings(value: Any, name: str = "") -> dict[str, Any]:
    """Nested settings as a flat dict, by dotted name."""
    if not isinstance(value, dict):
        return {name: value}
    return {
        k: v for key, part in value.items() for k, v in settings(part, f"{name}.{key}".strip(".")).items()
    }


def resume(trainer: Trainer, folder: RunFolder, wanted: dict[str, Any]) -> None:
    """Put a trainer back to the newest checkpoint in the folder, and drop metrics beyond it.

    Raises RunError, naming the first difference, unless the folder holds the `wanted` configuration.
    """
    held, asked = settings(folder.config), settings(wanted)
    told_otherwise = {"recipe.paper"} | ({"recipe.data"} if "text" in held else set())  # that has a checksum
    for name in sorted((held.keys() | asked.keys()) - told_otherwise):
        if held.get(name) != asked.get(name):
            raise RunError(
                f"{folder.path} was started with {name} = {held.get(name)}, found {asked.get(name)}: "
                "give --resume the same recipe, --set, --seed, --precision, --text, or choose another --out"
            )
    saved = folder.load(trainer.device)
    if saved:
        trainer.restore(saved[1], saved[2])
    folder.keep_metrics(trainer.epoch)


def weights(folder: RunFolder, name: str, device: torch.device) -> dict[str, Tensor]:
    """The newest weights in a run folder; raises RunError if there are none."""
    saved = folder.load(device)
    if saved is None:
        raise RunError(f"{folder.path} has no checkpoint yet: `ffrec train {name} --resume` makes one")
    return saved[1]


def trained_network(
    folder: RunFolder, recipe: ImageRecipe, like: Tensor, classes: int, device: torch.device
) -> Recurrent:
    """The network of a run folder, for images of the shape of `like[0]`; raises RunError."""
    network = Recurrent(recipe.network, like[0].numel(), classes, torch.Generator())
    network.load_state_dict(weights(folder, recipe.name, device))
    return network.to(device)


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


def describe(folder: RunFolder, device: torch.device) -> dict[str, Any]:
    """What every result says of the run it belongs to."""
    records = folder.metrics()
    return {
        "recipe": folder.config["recipe"]["name"],
        "seed": folder.config["seed"],
        "device": str(device),
        "epochs": len(records),
        "seconds": sum(record["seconds"] for record in records),
        "run": str(folder.path),
    }


def finish_images(
    trainer: ImageTrainer, folder: RunFolder, validation: LabelledImages, test: LabelledImages
) -> dict[str, Any]:
    """Read the test set, once, and write `result.json` and the examples that pictures are made from."""
    network, device = trainer.network, trainer.device
    result = describe(folder, device)
    for name, part in (("validation", validation), ("test", test)):
        images = Images(part.images, device, trainer.recipe.training.permute)
        result[name] = evaluate_images(network, images, part.labels)
    with torch.no_grad():
        logits = network.classify(network.look(images.batch(slice(0, BATCH))))[1]
    chosen = torch.Generator(device).manual_seed(trainer.seed)
    negatives = hard_labels(logits, test.labels[:BATCH].to(device), chosen)
    shown = examples(network, images, test.labels, negatives)
    shown["images"] = test.images[shown["index"]].contiguous()
    write_atomic(folder.path / "examples.safetensors", safetensors.torch.save(shown))
    folder.write_json("result.json", result)
    return result


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

"""A run from its first update to its result: a recipe, a seed and a data set meet in a run folder."""

import dataclasses
import json
from collections.abc import Mapping
from typing import Any, Protocol

import safetensors.torch
import torch
from torch import Tensor, nn

from ffrec.baselines.baselines import BackpropTrainer, Perceptron
from ffrec.config import BackpropConfig, ConfigError, ImageRecipe, Recipe, recipe_from
from ffrec.data.images import Images, LabelledImages
from ffrec.evaluation.images import BATCH, evaluate_images, examples, hybrid_examples
from ffrec.negatives.labels import hard_labels
from ffrec.networks.feedforward import FeedForward
from ffrec.storage.files import RunError, write_atomic
from ffrec.storage.run_folder import UNLEARNT, RunFolder
from ffrec.training.images import ImageTrainer, make_network
from ffrec.training.trainer import Trainer

SAME_AGAIN = "give the same recipe, --set, --seed, --precision, --text, or choose another --out"


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


def plain(recipe: Any) -> dict[str, Any]:
    """A recipe, or one of its parts, as plain JSON values."""
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


def completed(config: Mapping[str, Any]) -> dict[str, Any]:
    """A run folder's configuration, with the defaults of settings that are younger than it; as it stands, if
    it has a setting that is gone."""
    try:
        return {**config, "recipe": plain(recipe_from(config["recipe"]))}
    except ConfigError:
        return dict(config)


def check_same(folder: RunFolder, wanted: dict[str, Any], advice: str = SAME_AGAIN) -> None:
    """Raise RunError, naming the first difference and what to do, unless the folder holds the `wanted`
    configuration; what an older folder does not say is the default."""
    held, asked = settings(completed(folder.config)), settings(wanted)
    told_otherwise = {"recipe.paper"} | {f"recipe.training.{name}" for name in UNLEARNT}
    told_otherwise |= {"recipe.data"} if "text" in held else set()  # that has a checksum
    for name in sorted((held.keys() | asked.keys()) - told_otherwise):
        if held.get(name) != asked.get(name):
            raise RunError(
                f"{folder.path} was started with {name} = {held.get(name)}, found {asked.get(name)}: {advice}"
            )


def resume(trainer: Trainer, folder: RunFolder, wanted: dict[str, Any]) -> None:
    """Put a trainer back to the newest checkpoint in the folder, and drop metrics beyond it.

    Raises RunError unless the folder holds the `wanted` configuration.
    """
    check_same(folder, wanted)
    saved = folder.load(trainer.device)
    if saved:
        check_fit(trainer.network, saved[1], str(folder.path))
        trainer.restore(saved[1], saved[2])
    folder.keep_metrics(trainer.epoch)


def new_trainer(recipe: ImageRecipe, *arguments: Any, **options: Any) -> ImageTrainer:
    """The trainer that a recipe for images needs; takes what `ImageTrainer` takes."""
    trains = BackpropTrainer if isinstance(recipe.network, BackpropConfig) else ImageTrainer
    return trains(recipe, *arguments, **options)


def weights(folder: RunFolder, name: str, device: torch.device) -> dict[str, Tensor]:
    """The newest weights in a run folder; raises RunError if there are none."""
    saved = folder.load(device)
    if saved is None:
        raise RunError(f"{folder.path} has no checkpoint yet: `ffrec train {name} --resume` makes one")
    return saved[1]


def trained_network(
    saved: dict[str, Tensor], recipe: ImageRecipe, like: Tensor, classes: int, device: torch.device
) -> Any:
    """The network that `weights` read from a run folder, for images of the shape of `like[0]`."""
    drawn, pixels = torch.Generator(), like[0].numel()
    network: nn.Module
    if isinstance(recipe.network, BackpropConfig):
        network = Perceptron(recipe.network, pixels, classes, drawn)
    else:
        network = make_network(recipe, pixels, classes, drawn)
    check_fit(network, saved, recipe.name)
    network.load_state_dict(saved)
    return network.to(device)


def check_fit(network: nn.Module, saved: Mapping[str, Tensor], name: str) -> None:
    """Raise RunError, naming the run, if saved weights have other names or shapes than the network's."""
    if {n: w.shape for n, w in saved.items()} != {n: w.shape for n, w in network.state_dict().items()}:
        raise RunError(
            f"{name}: expected weights of today's network, found those of another version: train it again"
        )


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


def finish_images(trainer: ImageTrainer, folder: RunFolder, test: LabelledImages) -> dict[str, Any]:
    """Read the test set, once, and write `result.json` and the examples that pictures are made from.

    The result has no validation part if the last epoch ended without a validation.
    """
    network, device = trainer.network, trainer.device
    result = describe(folder, device)
    last = (folder.metrics() or [{}])[-1]
    if "validation" in last:
        result["validation"] = last["validation"]
    images = Images(test.images, device, trainer.recipe.training.permute)
    result["test"] = evaluate_images(network, images, test.labels)
    chosen = torch.Generator(device).manual_seed(trainer.seed)
    shown: dict[str, Tensor] = {}
    if network.judging:
        with torch.no_grad():
            logits = network.classify(network.look(images.batch(slice(0, BATCH))))[1]
        negatives = hard_labels(logits, test.labels[:BATCH].to(device), chosen)
        shown = examples(network, images, test.labels, negatives)
        shown["images"] = test.images[shown["index"]].contiguous()
    elif isinstance(network, FeedForward):
        shown = hybrid_examples(network, images, chosen)
    if shown:
        write_atomic(folder.path / "examples.safetensors", safetensors.torch.save(shown))
    folder.write_json("result.json", result)
    return result

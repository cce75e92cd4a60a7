"""Runs on labelled images."""

import dataclasses
import math
from collections.abc import Callable, Mapping
from typing import Any, Protocol, Self

import safetensors.torch
import torch
from torch import Tensor

from ffrec.config import ConfigError, ImageRecipe
from ffrec.data.draws import Draws
from ffrec.data.images import Images, LabelledImages
from ffrec.evaluation.calibration import Calibration, calibrate
from ffrec.evaluation.health import guessed
from ffrec.evaluation.images import BATCH, evaluate_images, examples, hybrid_examples
from ffrec.negatives.hybrids import Hybrid
from ffrec.negatives.labels import hard_labels
from ffrec.storage.files import RunError, write_atomic
from ffrec.storage.run_folder import RunFolder
from ffrec.tasks.recorded import check_data, describe, refuse_empty, restored, weights
from ffrec.tasks.task import Task, TrainedRun
from ffrec.training.backprop.images import BackpropTrainer, StagedTrainer
from ffrec.training.images import ImageTrainer, make_network
from ffrec.training.twin import TwinTrainer

ARRAYS = "arrays"  # what a recipe calls data that came as arrays, which a run does not keep
TRAINERS: dict[str, type[ImageTrainer]] = {
    "backprop": BackpropTrainer,
    "backprop-convolutional": BackpropTrainer,
    "twin": TwinTrainer,
    "staged": StagedTrainer,
}
"""Of kinds of networks that are not taught by the goodness of their layers."""


class Described(Protocol):
    """What a data set says of itself: the names of its classes, or the symbols of a text."""

    @property
    def classes(self) -> tuple[str, ...]: ...


class LabelledCorpus(Protocol):
    """Labelled images in three parts; a `sha256` is recorded if there is one."""

    @property
    def train(self) -> LabelledImages: ...
    @property
    def validation(self) -> LabelledImages | None: ...
    @property
    def test(self) -> LabelledImages | None: ...
    @property
    def description(self) -> Described: ...
    def joined(self) -> Self: ...


class ImageTask(Task):
    """A recipe for images, trained on the parts of a corpus that it wants."""

    def __init__(
        self,
        recipe: ImageRecipe,
        corpus: LabelledCorpus,
        seed: int = 0,
        device: str | torch.device = "cpu",
        precision: str = "fp32",
        plugins: tuple[str, ...] = (),
    ) -> None:
        super().__init__(plugins)
        self.recipe, self.corpus = recipe, parts_for(recipe, corpus)
        train, classes = self.corpus.train, len(corpus.description.classes)
        self.trainer: ImageTrainer = self.make_trainer(
            recipe, train.images, train.labels, classes, seed, device, precision
        )

    def make_trainer(self, recipe: ImageRecipe, *arguments: Any) -> ImageTrainer:
        """The trainer of a task; takes what `ImageTrainer` takes."""
        return new_trainer(recipe, *arguments)

    @property
    def data(self) -> dict[str, Any]:
        return {"classes": list(self.corpus.description.classes)} | checksum(self.corpus)

    @property
    def validation(self) -> tuple[Images, Tensor] | None:
        return self.trainer.held_out(self.corpus.validation)

    def keep(self, folder: RunFolder) -> None:
        images = self.corpus.train.images
        shape, classes = list(images.shape[1:]), list(self.corpus.description.classes)
        brightest = float(images.max())
        folder.write_json("data.json", {"shape": shape, "classes": classes, "brightest": brightest})

    def notes(self) -> list[str]:
        return [note] if (note := getattr(self.corpus, "note", "")) else []

    def finish(self, folder: RunFolder | None) -> dict[str, Any]:
        if folder:
            folder.write_json("calibration.json", dataclasses.asdict(self.calibration()))
        return finish_images(self.trainer, folder, self.corpus.test)

    def calibration(self) -> Calibration:
        """The temperature of probabilities, fitted on validation images; where there are none, on the last
        tenth of the training images."""
        trainer = self.trainer
        if self.validation is not None:
            return calibrate(trainer.network, *self.validation)
        last = slice(-math.ceil(len(trainer.labels) / 10), None)
        images = Images(trainer.images.images[last], trainer.device, self.recipe.training.permute)
        return calibrate(trainer.network, images, trainer.labels[last], "training")

    def score(self, result: dict[str, Any]) -> float:
        """Test accuracy in percent: by goodness where labels have one, otherwise by the softmax."""
        test = result["test"]
        return float(100 - test.get("error_goodness", test["error_softmax"]))

    @staticmethod
    def summary(result: dict[str, Any]) -> list[str]:
        lines = []
        for part in ("validation", "test"):
            if found := result.get(part):
                goodness = (
                    f"{found['error_goodness']:.2f} % by goodness, " if "error_goodness" in found else ""
                )
                both = f", {found['error_together']:.2f} % by both" if "error_together" in found else ""
                lines.append(
                    f"{part:>10}: error {goodness}{found['error_softmax']:.2f} % by softmax{both} "
                    f"({found['images']} images)"
                )
        warned = [f"   warning: {warning}" for warning in result.get("warnings", [])]
        return [*lines, *(warned or chance(result.get("test"))), f"       run: {result['run']}"]


def chance(test: Mapping[str, Any] | None) -> list[str]:
    """A line for a network that is hardly better than always naming the most frequent class."""
    if not test:
        return []
    guess = 100 * (1 - max(sum(row) for row in test["confusion"]) / test["images"])
    error = min(test.get("error_goodness", 100.0), test["error_softmax"])
    if error < 0.75 * guess:
        return []
    return [f"   warning: always naming the most frequent class has an error of {guess:.2f} %: train longer"]


class TrainedImages(TrainedRun):
    """A trained network for images, with validation and test images."""

    on, command = "images", "ffrec evaluate"

    def __init__(
        self,
        folder: RunFolder,
        recipe: ImageRecipe,
        load: Callable[[ImageRecipe], LabelledCorpus],
        device: torch.device,
    ) -> None:
        saved = weights(folder, device)
        if recipe.data == ARRAYS:
            raise RunError(
                f"{folder.path} was trained on arrays, which it does not keep: ffrec.load(…).score(X, y) "
                "evaluates it"
            )
        self.folder, self.recipe, self.device = folder, recipe, device
        self.corpus = parts_for(recipe, load(recipe))
        check_data(folder, checksum(self.corpus), recipe.data)
        self.classes = self.corpus.description.classes
        like = self.corpus.train.images
        self.network = trained_network(saved, recipe, like, len(self.classes), device)

    @property
    def test(self) -> LabelledImages:
        """The test images; raises RunError if there are none."""
        if self.corpus.test is None:
            raise RunError(f"{self.folder.path}: expected test images, found none: give data that has some")
        return self.corpus.test

    def evaluate(self, candidates: int | None = None) -> dict[str, Any]:
        """The result on validation and test images, with `candidates` also on all labels.

        Raises ConfigError if the network cannot try that many labels.
        """
        if candidates and candidates > len(self.classes):
            raise ConfigError(
                f"--candidates: expected 1 to {len(self.classes)} labels, found {candidates}: give fewer"
            )
        if candidates and not self.network.scored:
            raise ConfigError(
                f"--candidates: the network of {self.folder.path} has no goodness of labels: leave it out"
            )
        result = describe(self.folder, self.device)
        for name, part in {"validation": self.corpus.validation, "test": self.corpus.test}.items():
            if part is None:
                continue
            images = Images(part.images, self.device, self.recipe.training.permute)
            result[name] = evaluate_images(self.network, images, part.labels, candidates)
            if candidates:
                result[name]["all_labels"] = evaluate_images(self.network, images, part.labels)
        return result


def parts_for(recipe: ImageRecipe, corpus: LabelledCorpus) -> LabelledCorpus:
    """The data in the parts that a recipe wants; raises ConfigError if a part is there but empty."""
    parts = {"training": corpus.train, "validation": corpus.validation, "test": corpus.test}
    refuse_empty({name: part.labels for name, part in parts.items() if part is not None})
    return corpus.joined() if recipe.training.train_on_validation else corpus


def checksum(corpus: LabelledCorpus) -> dict[str, str]:
    """The checksum of a corpus as it is recorded; empty if it has none."""
    found = getattr(corpus, "sha256", None)
    return {"data_sha256": found} if found else {}


def new_trainer(recipe: ImageRecipe, *arguments: Any, **options: Any) -> ImageTrainer:
    """The trainer that a recipe for images needs; takes what `ImageTrainer` takes."""
    return TRAINERS.get(recipe.network.kind, ImageTrainer)(recipe, *arguments, **options)


def trained_network(
    saved: dict[str, Tensor], recipe: ImageRecipe, like: Tensor, classes: int, device: torch.device
) -> Any:
    """The network that `weights` read from a run folder, for images of the shape of `like[0]`."""

    def make(generator: torch.Generator) -> Any:
        return make_network(recipe.network, like[0].numel(), classes, generator)

    return restored(make, saved, recipe.name, device)


def finish_images(
    trainer: ImageTrainer, folder: RunFolder | None, test: LabelledImages | None
) -> dict[str, Any]:
    """Read the test set, once, and write `result.json` and the examples that pictures are made from.

    The result has no validation part if the last epoch ended without a validation, and no test part if there
    are no test images. All processes of a team evaluate; the one that has the folder writes.
    """
    tested: dict[str, Any] = {}
    if test is not None:
        images = Images(test.images, trainer.device, trainer.recipe.training.permute)
        tested["test"] = evaluate_images(trainer.network, images, test.labels, team=trainer.team)
    if folder is None:
        return tested
    result = describe(folder, trainer.device)
    last = (folder.metrics() or [{}])[-1]
    result["warnings"] = [*last.get("warnings", []), *(guessed(tested["test"], "test") if tested else [])]
    if "validation" in last:
        result["validation"] = last["validation"]
    if test is not None and (shown := shown_examples(trainer, images, test)):
        write_atomic(folder.path / "examples.safetensors", safetensors.torch.save(shown))
    folder.write_json("result.json", result | tested)
    return result | tested


def shown_examples(trainer: ImageTrainer, images: Images, test: LabelledImages) -> dict[str, Tensor]:
    """What pictures of the network are made from; empty if there is nothing to show."""
    network, device = trainer.network, trainer.device
    chosen = Draws(trainer.seed, device)
    if network.scored:
        with torch.no_grad():
            logits = network.logits(network.encode(images.batch(slice(0, BATCH))))
        negatives = hard_labels(logits, test.labels[:BATCH].to(device), chosen)
        shown = examples(network, images, test.labels, negatives)
        return shown | {"images": test.images[shown["index"]].contiguous()}
    return hybrid_examples(network, images, chosen) if isinstance(trainer.negatives, Hybrid) else {}

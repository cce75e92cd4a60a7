"""Training on labelled images."""

from typing import Any

import torch
from torch import Tensor

from ffrec.config import AgreementConfig, BaselineConfig, ImageRecipe, LayerConfig
from ffrec.data.draws import Draws
from ffrec.data.images import Images, LabelledImages, add_noise, cut_out, jitter, mirror, silence
from ffrec.evaluation.health import guessed
from ffrec.evaluation.images import evaluate_images
from ffrec.learning.update import Step
from ffrec.negatives.hybrids import Mixed
from ffrec.negatives.labels import Negatives
from ffrec.networks.maps import check_square
from ffrec.networks.network import Classifier
from ffrec.registry import pick
from ffrec.training.memory import check_memory
from ffrec.training.phases import Phase, Schedule, both
from ffrec.training.trainer import Trainer

TRACED = 200  # training images whose activities are checked, and goodness recorded where phases are apart


def make_network(
    config: LayerConfig | BaselineConfig | AgreementConfig,
    inputs: int,
    classes: int,
    generator: torch.Generator,
) -> Classifier:
    """The network that a configuration names, with new weights; raises ConfigError if the images do not suit
    it."""
    network: Classifier = pick("network", config.kind)(config, inputs, classes, generator)
    return network


class ImageTrainer(Trainer):
    """The loop for images `(n, height, width)`, or with colours last, and labels `(n,)`.

    Negative data are wrong labels or hybrid images; those have labels, too, if the network has.
    """

    counted, accuracy_name = "images", "pairwise_accuracy"

    def __init__(
        self,
        recipe: ImageRecipe,
        images: Tensor,
        labels: Tensor,
        classes: int,
        seed: int = 0,
        device: str | torch.device = "cpu",
        arithmetic: str = "fp32",
    ) -> None:
        self.images = Images(images, device, recipe.training.permute)
        self.labels = labels.to(device)
        if recipe.network.placed:
            check_square(images.shape[1], images.shape[2])

        def make(generator: torch.Generator) -> Classifier:
            return make_network(recipe.network, self.images.features, classes, generator)

        check_memory(make, recipe.training, torch.device(device), arithmetic)
        network = make(torch.Generator().manual_seed(seed))
        super().__init__(recipe, network, len(images), seed, device, arithmetic)
        self.negatives = make_negatives(recipe)
        self.prepare()

    def make_schedule(self) -> Schedule:
        return self.apart() if self.recipe.training.wake else both()

    def rows(self, index: Tensor, phase: Phase = "both") -> Tensor:
        """The images at `index` as the recipe shows them, `(batch, pixels)`; where negative images differ
        from positive ones, `(batch, candidates, pixels)`: images in wake phases, negative images in sleep
        phases."""
        training, images = self.recipe.training, self.varied(index)
        rows = self.images.rows(images)
        if self.negatives.hybrid:
            candidates = [rows] if phase != "sleep" else []
            if phase != "wake":
                other = self.draws.integers(0, self.cases, index.shape)
                made = self.negatives.images(images, self.varied(other), self.draws)
                candidates.append(self.images.rows(made))
            rows = torch.stack(candidates, dim=1)
        rows = silence(rows, training.dropout, self.draws) if training.dropout else rows
        return add_noise(rows, training.noise, self.draws) if training.noise else rows

    def varied(self, index: Tensor) -> Tensor:
        """The images at `index`, `(batch, height, width)` or with colours last, shifted, mirrored and cut out
        as the recipe says."""
        training, images = self.recipe.training, self.images.images[index]
        images = jitter(images, training.jitter, self.draws) if training.jitter else images
        images = mirror(images, self.draws) if training.mirror else images
        return cut_out(images, training.cutout, self.draws) if training.cutout else images

    def perturb(self, x: Tensor) -> Tensor:
        """What a hidden layer sends, with the noise and the dropout of training."""
        noise, share = self.recipe.training.hidden_noise, self.recipe.training.unit_dropout
        x = x.add(self.draws.normal(x.shape, x.dtype), alpha=noise) if noise else x
        return silence(x, share, self.draws) / (1 - share) if share else x

    def candidates(self, logits: Tensor, labels: Tensor, phase: Phase) -> Tensor:
        """Labels that an update tries, `(batch, candidates)`: the true ones first, except in sleep phases."""
        parts = [labels.unsqueeze(1)] if phase != "sleep" else []
        if phase != "wake":
            parts.append(self.negatives.labels(logits, labels, self.draws))
        return torch.cat(parts, dim=1)

    def target(self, labels: Tensor, candidates: int, phase: Phase) -> Tensor:
        """What the layers' objective expects: a sign for each candidate, or the place of the true label,
        which is first among the candidates."""
        objective = self.network.layer(1).objective
        if objective.target == "places":
            return labels if objective.compete == "parts" else torch.zeros_like(labels)
        signs = torch.full((candidates,), -1.0, device=self.device)
        signs[:1] += 2.0 * (phase != "sleep")
        return signs

    def update(self, index: Tensor) -> Tensor:
        """Learn from the images at `index` what the schedule says: positive data (wake), negative data
        (sleep), or both."""
        (phase,) = next(self.schedule)
        self.network.advance(self.done)
        self.begin(phase, self.recipe.training.repeats)
        return self.carry_out(self.learn, index, phase)

    def learn(self, index: Tensor, phase: Phase) -> Tensor:
        """Learn from the images at `index`, the same data in every repeat. The softmax learns from positive
        data alone, and not from what hybrid images look like."""
        network, labels, shown = self.network, self.labels[index], None
        rows = self.rows(index, phase)
        for _ in range(self.recipe.training.repeats):
            self.sharing.settle()
            with network.following():
                encoding = network.encode(rows)
            features = network.features(encoding)
            logits = network.readout(features)
            if network.scored and shown is None:
                shown = self.candidates(logits, labels, phase)
            softmax_loss = features.new_zeros(())
            network.readout.zero_grad()  # None: in sleep phases the optimiser leaves the softmax alone
            if phase != "sleep":
                softmax_loss = network.readout.learn(features, logits, labels)
            network.zero_grad()
            count = rows.shape[1] if shown is None else shown.shape[1]
            target = self.target(labels, count, phase)
            with network.perturbed(self.perturb if self.recipe.training.perturbs else None):
                loss, accuracy = network.learn(encoding, shown, target)
            self.step_optimiser(phase)
        return torch.cat([loss, softmax_loss.view(1), accuracy])

    def last_step(self, rows: Tensor, candidates: Tensor) -> Step:
        """What layers make of rows, with candidate labels `(batch, candidates)` if they see any."""
        network = self.network
        encoding = network.encode(rows)
        step: Step = encoding.step
        if network.scored:
            *_, step = network.steps(encoding, candidates, network.window[1])
        return step

    def activities(self) -> list[Tensor]:
        """Of the first training images, with their labels if layers see any."""
        rows = self.images.rows(self.images.images[:TRACED])
        return list(self.last_step(rows, self.labels[: len(rows), None]).activities.values())

    def guessed(self, found: dict[str, Any]) -> list[str]:
        return guessed(found, "validation")

    def trace(self) -> dict[str, list[float]]:
        """Mean goodness, layer by layer, of the first training images, positive and made negative."""
        network, images = self.network, self.images.images[:TRACED]
        truth, rows = self.labels[: len(images)], self.images.rows(images)
        if self.negatives.hybrid:
            always = Draws(self.seed, self.device)
            twins = self.negatives.images(images, images.roll(1, 0), always)
            rows = torch.stack([rows, self.images.rows(twins)], dim=1)
        labels = torch.stack([truth, (truth + 1) % network.classes], dim=1)
        positive, negative = network.mean_goodness(self.last_step(rows, labels)).T.tolist()
        return {"positive": positive, "negative": negative}

    def held_out(self, part: LabelledImages | None) -> tuple[Images, Tensor] | None:
        """Images and labels as `run` takes them to validate on."""
        if part is None:
            return None
        return Images(part.images, self.device, self.recipe.training.permute), part.labels

    def due(self, epoch: int) -> bool:
        return super().due(epoch) and not self.recipe.training.train_on_validation

    def validate(self, held_out: tuple[Images, Tensor]) -> dict[str, Any]:
        last = self.epoch == self.recipe.training.epochs
        return {**evaluate_images(self.network, *held_out, all_iterations=last, team=self.team)}


def make_negatives(recipe: ImageRecipe) -> Negatives:
    """Where a recipe's negative data comes from."""
    training = recipe.training
    source = pick("negatives", training.negatives)
    made: Negatives = source(training.hybrid_labels) if issubclass(source, Mixed) else source()
    return made

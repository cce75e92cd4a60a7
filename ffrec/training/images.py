"""Training on labelled images."""

from typing import Any

import torch
from torch import Tensor

from ffrec.config import FeedForwardConfig, ImageRecipe, RecurrentConfig
from ffrec.config.training import Phase
from ffrec.data.images import Images, LabelledImages, silence
from ffrec.evaluation.images import evaluate_images
from ffrec.learning.layer import SIDES
from ffrec.negatives.labels import NEGATIVE_LABELS, hybrid_images
from ffrec.networks.feedforward import FeedForward
from ffrec.networks.recurrent import Recurrent
from ffrec.training.phases import Schedule, undreamt
from ffrec.training.trainer import Trainer

ImageNetwork = Recurrent | FeedForward
WATCHED = 200  # training images whose goodness is followed through days and nights


def make_network(recipe: ImageRecipe, pixels: int, classes: int, generator: torch.Generator) -> ImageNetwork:
    """The network of a recipe with new weights; raises ConfigError if the images do not suit it."""
    config = recipe.network
    if isinstance(config, RecurrentConfig):
        return Recurrent(config, pixels, classes, generator)
    assert isinstance(config, FeedForwardConfig)
    return FeedForward(config, pixels, classes, generator)


class ImageTrainer(Trainer):
    """The loop for images `(n, height, width)` and labels `(n,)`.

    Negative data are wrong labels or hybrid images; those have labels, too, if the network has.
    """

    counted, judged = "images", "pairwise_accuracy"

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
        network = self.new_network(recipe, classes, torch.Generator().manual_seed(seed))
        super().__init__(recipe, network, len(images), seed, device, arithmetic)
        self.prepare()

    def new_network(self, recipe: ImageRecipe, classes: int, generator: torch.Generator) -> Any:
        """The network to train, with new weights."""
        return make_network(recipe, self.images.features, classes, generator)

    def make_schedule(self) -> Schedule:
        return self.apart() if self.recipe.training.awake else undreamt(1)

    def rows(self, index: Tensor, phase: Phase = "both") -> Tensor:
        """The images at `index` as the recipe shows them, `(batch, pixels)`; where negative data are hybrid
        images, `(batch, candidates, pixels)`: images awake, hybrids asleep."""
        training = self.recipe.training
        images = self.images.shifted(index, training.jitter, self.generator)
        rows = self.images.rows(images)
        if training.negatives == "hybrid":
            candidates = [rows] if phase != "sleep" else []
            if phase != "wake":
                other = torch.randint(self.cases, index.shape, generator=self.generator, device=self.device)
                others = self.images.shifted(other, training.jitter, self.generator)
                candidates.append(self.images.rows(hybrid_images(images, others, self.generator)))
            rows = torch.stack(candidates, dim=1)
        return silence(rows, training.dropout, self.generator) if training.dropout else rows

    def update(self, index: Tensor) -> Tensor:
        """Learn from the images at `index` what the schedule wants: positive data (wake), negative data
        (sleep), or both, the same in every repeat. The softmax learns from positive data alone, and not from
        what hybrid images look like."""
        (phase,) = next(self.schedule)
        network, training, shown = self.network, self.recipe.training, None
        rows, labels = self.rows(index, phase), self.labels[index]
        for _ in range(training.repeats):
            seen = network.look(rows)
            features, logits = network.classify(seen)
            if network.judging and shown is None:
                hybrid = training.negatives == "hybrid"
                draw = NEGATIVE_LABELS[training.hybrid_labels if hybrid else training.negatives]
                wrong = draw(logits, labels, self.generator) if phase != "wake" else labels
                shown = SIDES[phase](torch.stack([labels, wrong])).T
            softmax_loss = features.new_zeros(())
            network.readout.zero_grad()  # None: asleep, the optimiser leaves the softmax alone
            if phase != "sleep":
                softmax_loss = network.readout.learn(features, logits, labels)
            loss, right = network.learn(seen, shown, phase)
            self.step_optimiser(phase)
        return torch.cat([loss, softmax_loss.view(1), right])

    def watch(self) -> dict[str, list[float]]:
        """Mean goodness, layer by layer, of the first training images, positive and made negative."""
        network, training, images = self.network, self.recipe.training, self.images.images[:WATCHED]
        truth, rows = self.labels[: len(images)], self.images.rows(images)
        if training.negatives == "hybrid":
            always = torch.Generator(self.device).manual_seed(self.seed)
            twins = hybrid_images(images, images.roll(1, 0), always)
            rows = torch.stack([rows, self.images.rows(twins)], dim=1)
        passed = seen = network.look(rows)
        if network.judging:
            labels = torch.stack([truth, (truth + 1) % network.classes], dim=1)
            *_, passed = network.iterate(seen, labels, network.config.window[1])
        found = [network.layer(level).judge(h).mean(0) for level, h in passed.activities.items()]
        pairs = torch.stack([goodness.expand(2) for goodness in found]).tolist()
        return {"positive": [one for one, _ in pairs], "negative": [other for _, other in pairs]}

    def held_out(self, part: LabelledImages | None) -> tuple[Images, Tensor] | None:
        """Images and labels as `run` takes them to validate on."""
        if part is None:
            return None
        return Images(part.images, self.device, self.recipe.training.permute), part.labels

    def due(self, epoch: int) -> bool:
        return super().due(epoch) and not self.recipe.training.train_on_validation

    def validate(self, held_out: tuple[Images, Tensor]) -> dict[str, Any]:
        last = self.epoch == self.recipe.training.epochs
        return evaluate_images(self.network, *held_out, all_iterations=last)

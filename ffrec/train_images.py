"""Training on labelled images."""

from typing import Any

import torch
from torch import Tensor

from ffrec.config import ImageRecipe
from ffrec.evaluate import evaluate_images
from ffrec.images import Images, LabelledImages, silence
from ffrec.negatives import NEGATIVES
from ffrec.networks.recurrent import Recurrent
from ffrec.train import Trainer


class ImageTrainer(Trainer):
    """The loop for images `(n, height, width)` and labels `(n,)`; negative data are wrong labels."""

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
        drawn = torch.Generator().manual_seed(seed)
        network = Recurrent(recipe.network, self.images.features, classes, drawn)
        super().__init__(recipe, network, len(images), seed, device, arithmetic)
        self.prepare()

    def update(self, index: Tensor) -> Tensor:
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
        return torch.cat([loss, softmax_loss.view(1), pairwise])

    def held_out(self, part: LabelledImages) -> tuple[Images, Tensor]:
        """Images and labels as `validate` takes them."""
        return Images(part.images, self.device, self.recipe.training.permute), part.labels

    def validate(self, held_out: tuple[Images, Tensor]) -> dict[str, Any]:
        return evaluate_images(self.network, *held_out, all_iterations=False)

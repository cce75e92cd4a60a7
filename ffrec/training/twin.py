"""Training of twin networks on labelled images, or on what another network says of them."""

from typing import Any

import torch
from torch import Tensor

from ffrec.config import ConfigError, TwinConfig
from ffrec.data.images import Images
from ffrec.evaluation.collapse import collapse
from ffrec.networks.twin import Twin
from ffrec.parallel.team import Team
from ffrec.training.images import ImageTrainer
from ffrec.training.phases import Phase

SEEN = 1000  # validation images whose activities show how far the layers have collapsed


class TwinTrainer(ImageTrainer):
    """The loop for networks whose layers agree: there are no negative data but other cases of the batch.

    `answers` `(n, classes)`, where given, are a teacher's probabilities, learnt in place of the labels.
    """

    network: Twin
    accuracy_name = "neighbour_accuracy"
    answers: Tensor | None = None

    def join(self, team: Team, sync_every: int = 1, outer_momentum: float = 0.0) -> None:
        if team.world > 1:
            raise ConfigError(
                f"{self.recipe.network.kind}: pairs are made of the cases of one batch, which cannot be "
                "split: train in one process"
            )
        super().join(team, sync_every, outer_momentum)

    def probabilities(self, index: Tensor) -> Tensor:
        """What is learnt of the cases at `index`, `(batch, classes)`: labels, or a teacher's answers."""
        if self.answers is not None:
            return self.answers[index]
        labels = self.labels[index].unsqueeze(1)
        none = torch.zeros(len(index), self.network.classes, device=self.device)
        return none.scatter_(1, labels, 1.0)  # one_hot may wait for the labels: no graph could hold it

    def views(self, index: Tensor) -> Tensor:
        """What the networks see: one image `(batch, pixels)`, or one for each `(batch, networks, pixels)` if
        images are changed in training, or are others of the same class."""
        training, config = self.recipe.training, self.recipe.network
        by_class = isinstance(config, TwinConfig) and config.views == "class"
        if config.networks == 1 or not (training.varies or by_class):
            return self.rows(index)
        other = index[self.partners(self.labels[index])] if by_class else index
        return torch.stack([self.rows(index), self.rows(other)], dim=1)

    def partners(self, labels: Tensor) -> Tensor:
        """For every case of a batch, the place of one of its class, `(batch,)`, in random order."""
        orders = [(labels + 0.99 * self.draws.uniform(labels.shape)).argsort() for _ in range(2)]
        return torch.empty_like(orders[0]).scatter_(0, orders[0], orders[1])

    def learn(self, index: Tensor, phase: Phase) -> Tensor:
        """One update from the cases at `index`: every layer by its agreement, every softmax by its loss."""
        network, target = self.network, self.probabilities(index)
        with network.perturbed(self.perturb if self.recipe.training.perturbs else None):
            encoding = network.encode(self.views(index))
        softmax_loss = network.learn_softmax(encoding, target)
        network.zero_grad()
        loss, accuracy = network.learn(encoding, target)
        self.step_optimiser(phase)
        return torch.cat([loss, softmax_loss.view(1), accuracy])

    def activities(self) -> list[Tensor]:
        """Of both networks, level by level."""
        found, depth = super().activities(), self.network.depth
        return [torch.cat(found[level::depth]) for level in range(depth)]

    @torch.no_grad()
    def validate(self, held_out: tuple[Images, Tensor]) -> dict[str, Any]:
        """Errors, and how far every layer has collapsed: the mean over the networks."""
        images, labels = held_out
        step = self.network.encode(images.batch(slice(0, SEEN))).step
        seen = labels[:SEEN].to(self.device)
        found = [collapse(step.activities[number][:, 0], seen) for number in self.network.levels]
        networks = [found[i :: self.network.depth] for i in range(self.network.depth)]
        means = {
            name: [sum(layer[name] for layer in level) / len(level) for level in networks]  # type: ignore[literal-required]
            for name in found[0]
        }
        return super().validate(held_out) | {"collapse": means}

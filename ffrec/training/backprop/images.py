"""Training on images by backpropagation: the baselines, with the same data, optimiser and schedule. Autograd
is used in `ffrec.baselines` and in rooms named backprop alone."""

from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from ffrec.config import ConfigError, ImageRecipe, StagedConfig
from ffrec.training.images import ImageTrainer
from ffrec.training.phases import Phase
from ffrec.training.twin import TwinTrainer


class BackpropTrainer(ImageTrainer):
    """Training on labelled images by backpropagation."""

    def prepare(self) -> None:
        self.learning_layers = 0  # no hidden layer has a loss of its own
        super().prepare()

    def activities(self) -> list[Tensor]:
        return []  # its layers have no goodness that could collapse

    def update(self, index: Tensor) -> Tensor:
        """One weight update from the cross-entropy of the images at `index`."""
        self.begin("both")
        return self.carry_out(self.learn, index, "both")

    def learn(self, index: Tensor, phase: Phase) -> Tensor:
        """Forward, backward, and a step of the optimiser."""
        network, rows, labels = self.network, self.rows(index), self.labels[index]
        self.sharing.settle()
        with torch.enable_grad():
            loss: Tensor = network.loss(network.encode(rows, self.draws), labels)
            shared = loss * self.sharing.share
        network.zero_grad()
        torch.autograd.backward(shared)
        for module in (*network.layers, network.readout):
            self.sharing.ready(module)
        self.sharing.finish()
        self.optimiser_of(phase).step()
        self.sharing.spread()
        return loss.detach().view(1)


class StagedTrainer(TwinTrainer):
    """FFCL and FFCM: stage after stage, each for some epochs. Local stages run nothing backward."""

    def __init__(self, recipe: ImageRecipe, *arguments: Any, **options: Any) -> None:
        super().__init__(recipe, *arguments, **options)
        if self.settings.backpropagates:
            self.arithmetic = "fp32"  # weights that are cast once an update have no graph

    def capture(self) -> None:
        raise ConfigError("--capture: what an update does changes with the stage: leave it out")

    @property
    def settings(self) -> StagedConfig:
        """Of the network."""
        config = self.recipe.network
        if not isinstance(config, StagedConfig):
            raise ConfigError(f"staged: expected a network with stages, found {config.kind}")
        return config

    def guessed(self, found: dict[str, Any]) -> list[str]:
        """Nothing before the first stage in which the softmax learns."""
        done = {self.settings.stage(epoch) for epoch in range(self.epoch)}
        return super().guessed(found) if done & {"softmax", "backprop"} else []

    def learn(self, index: Tensor, phase: Phase) -> Tensor:
        """One update of what the epoch's stage learns; the loss of what it does not learn is 0."""
        stage, network = self.settings.stage(self.epoch), self.network
        target, rows = self.probabilities(index), self.views(index)
        network.zero_grad()
        network.readout.zero_grad()
        found = network.layer(1).bias.new_zeros(2, network.depth)
        softmax_loss = found.new_zeros(1)
        if stage == "local":
            found = torch.stack(network.learn(network.encode(rows), target))
        elif stage == "softmax":
            softmax_loss = network.learn_softmax(network.encode(rows), target).view(1)
        else:
            loss = self.backpropagate(rows, target, of_softmax=stage == "backprop")
            (softmax_loss if stage == "backprop" else found[0, -1:]).copy_(loss)
        self.step_optimiser(phase)
        return torch.cat([found[0], softmax_loss, found[1]])

    def backpropagate(self, rows: Tensor, target: Tensor, of_softmax: bool) -> Tensor:
        """The gradients of all layers by autograd: of the softmax's cross-entropy, or of the last layer's
        agreement. Returns the loss."""
        network, learn = self.network, [*self.network.layers.parameters()]
        learn += network.readout.parameters() if of_softmax else []
        for parameter in learn:
            parameter.requires_grad_(True)
        try:
            with torch.enable_grad():
                encoding = network.encode(rows)
                if of_softmax:
                    loss = cross_entropy(network.logits(encoding), target)
                else:
                    h = encoding.step.activities[network.depth][:, 0]
                    loss = network.agreement.grade(h, h, target @ target.T).loss
            torch.autograd.backward(loss)
        finally:
            for parameter in learn:
                parameter.requires_grad_(False)
        return loss.detach()

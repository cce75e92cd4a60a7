"""Training by backpropagation: the baselines, with the same data, optimiser and schedule. Autograd is used
here and in `ffrec.baselines` alone."""

import copy

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from ffrec.config import TextRecipe
from ffrec.networks.character import Character
from ffrec.training.images import ImageTrainer
from ffrec.training.optimiser import make_optimiser
from ffrec.training.phases import Phase


class BackpropTrainer(ImageTrainer):
    """Training on labelled images by backpropagation."""

    def prepare(self) -> None:
        self.learning_layers = 0  # no hidden layer has a loss of its own
        super().prepare()

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


def backprop(
    recipe: TextRecipe, strings: Tensor, validation: Tensor, symbols: int, seed: int, patience: int = 5
) -> tuple[Character, dict[str, float]]:
    """The recipe's network without its memory, all of it trained by backpropagation, with early stopping.

    Same first-layer weights to start from, batches, optimiser and weight decay; the rate is constant, and the
    best of the recipe's own, three times and a third of it. After every pass over the strings the validation
    loss is measured; `patience` passes without a better one end it. Returns the network at its best, and the
    passes and the rate that took.
    """
    plain = recipe.override({"memory": 0.0, "lookahead": False})
    best, best_state, how = float("inf"), {}, {"passes": 0.0, "rate": 0.0}
    for factor in (1.0, 3.0, 1 / 3):
        rates = {"rate": recipe.training.rate * factor, "softmax_rate": recipe.training.softmax_rate * factor}
        training = plain.override(rates).training
        network = Character(plain.network, symbols, torch.Generator().manual_seed(seed)).to(strings.device)
        network.requires_grad_()
        optimiser = make_optimiser(network.layers, network.readout, training)
        drawn = torch.Generator().manual_seed(seed)
        lowest, passed, since = float("inf"), 0, 0
        while since < patience:
            for index in torch.randperm(len(strings), generator=drawn).split(training.batch):
                windows, following = network.cases(strings[index.to(strings.device)])
                with torch.enable_grad():
                    loss = cross_entropy(network.logits(network.encode(windows)), following)
                optimiser.zero_grad()
                torch.autograd.backward(loss)
                optimiser.step()
            with torch.no_grad():
                held_out = -network.log_likelihood(validation)[0].mean().item()
            passed, since = passed + 1, since + 1
            if held_out < lowest:
                lowest, since = held_out, 0
            if held_out < best:
                best, best_state = held_out, copy.deepcopy(network.state_dict())
                how = {"passes": passed, "rate": training.rate}
    network.load_state_dict(best_state)
    return network.requires_grad_(False), how

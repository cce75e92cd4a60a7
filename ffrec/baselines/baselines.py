"""What a user would pick instead. The one room where autograd computes gradients for training."""

import copy
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from ffrec.config import BackpropConfig, ImageRecipe, TextRecipe
from ffrec.data.images import silence
from ffrec.learning.layer import normalise
from ffrec.networks import feedforward
from ffrec.networks.character import Character
from ffrec.networks.feedforward import FeedForward
from ffrec.networks.recurrent import Recurrent, Seen
from ffrec.training.images import ImageTrainer
from ffrec.training.optimiser import make_optimiser


def autograd_learn(network: Recurrent, seen: Seen, labels: Tensor) -> Tensor:
    """The gradients of `Recurrent.learn`, found by autograd from the loss itself.

    Every layer's input is detached, so that no gradient travels from layer to layer or through time. Labels
    `(batch, 2)`, true ones first; parameters must ask for gradients. Returns the loss, summed over layers.
    """
    first, last = network.config.loss
    correct = seen.image.new_tensor([1.0, -1.0])
    image = seen.image[:, :1]
    code = torch.nn.functional.one_hot(labels, network.classes).to(seen.image.dtype) * network.classes**0.5
    states = {level: h.detach().expand(-1, 2, -1) for level, h in seen.activities.items()}
    loss = seen.image.new_zeros(())
    for number in range(1, last + 1):
        x = {0: image, network.top: code} | {level: normalise(h).detach() for level, h in states.items()}
        for level in network.levels:
            layer = network.layer(level)
            total = sum((x[s] @ layer.weights[str(s)] for s in network.sources(level)), start=layer.bias)
            h = total.relu()
            if number >= first:
                goodness = network.goodness.value(h)
                loss = loss - layer.logistic.log_p_correct(goodness, correct).mean()
            damping = network.config.damping
            states[level] = (damping * states[level] + (1 - damping) * h).detach()
    loss = loss / (last - first + 1)
    torch.autograd.backward(loss)
    return loss.detach()


def autograd_learn_feedforward(
    network: FeedForward, seen: feedforward.Seen, labels: Tensor | None = None
) -> Tensor:
    """The gradients of `FeedForward.learn`, found by autograd from the loss itself, with detached inputs.

    Parameters must ask for gradients. Returns the loss, summed over layers.
    """
    with torch.no_grad():
        passed = seen.bottom_up if labels is None else next(network.iterate(seen, labels))
    loss = seen.image.new_zeros(())
    for level in network.levels:
        layer = network.layer(level)
        x = seen.image if level == 1 else passed.sources[level - 1]
        total = layer.wires(str(level - 1)).product(x, layer.weights[str(level - 1)]) + layer.bias
        if level == 1 and labels is not None:
            total = total + network.code_rows()[labels]
        h, _ = network.activate(total)
        loss = loss - layer.logistic.log_p_correct(layer.goodness.value(h), network.correct).mean()
    torch.autograd.backward(loss)
    return loss.detach()


def autograd_learn_characters(network: Character, passages: Tensor, sign: float) -> Tensor:
    """The gradients of `Character.learn`, found by autograd from the loss itself, with detached inputs.

    Parameters must ask for gradients. Returns the loss, summed over layers.
    """
    seen = network.look(passages)
    x = torch.nn.functional.one_hot(seen.rows, network.passage * network.symbols).sum(1)
    sent = [x * network.symbols**0.5, *(source.detach() for source in seen.sources[:-1])]
    correct = seen.activities[0].new_tensor(sign)
    loss = correct.new_zeros(())
    for index, source in enumerate(sent):
        layer = network.layer(index)
        h = (source.to(correct.dtype) @ layer.weights[str(index)] + layer.bias).relu()
        loss = loss - layer.logistic.log_p_correct(network.goodness.value(h), correct).mean()
    torch.autograd.backward(loss)
    return loss.detach()


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
                    loss = cross_entropy(network.readout(network.features(network.look(windows))), following)
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


class Perceptron(nn.Module):
    """A net of rectified layers on images of unit mean square, with a softmax on the last: to be trained by
    backpropagation. hₗ = max(0, hₗ₋₁ Wₗ + bₗ), weights from N(0, 2 / fan-in) (He et al. 2015).
    """

    judging: tuple[int, ...] = ()

    def __init__(self, config: BackpropConfig, pixels: int, classes: int, generator: torch.Generator) -> None:
        super().__init__()
        self.config, self.classes = config, classes
        units = [pixels, *config.hidden]
        self.layers = nn.ModuleList(nn.Linear(*pair) for pair in pairwise(units))
        self.readout = nn.Linear(sum(units[level] for level in config.read), classes)
        with torch.no_grad():
            for parameter in self.parameters():
                parameter.zero_()
            for name, weight in self.layers.named_parameters():
                if name.endswith("weight"):
                    weight.normal_(0, (2 / weight.shape[1]) ** 0.5, generator=generator)
        self.layers.requires_grad_(config.learns == "all")

    def look(self, rows: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """What the softmax sees, `(batch, Σ units)`; a generator silences some of each layer's activities."""
        h = normalise(rows)
        seen = [h]
        for layer in self.layers:
            h = layer(h).relu()
            if generator is not None and self.config.hidden_dropout:
                share = self.config.hidden_dropout
                h = silence(h, share, generator) / (1 - share)
            seen.append(normalise(h) if self.config.learns == "softmax" else h)
        return torch.cat([seen[level] for level in self.config.read], dim=1)

    def classify(self, seen: Tensor) -> tuple[Tensor, Tensor]:
        """What the softmax sees, and its logits `(batch, classes)`."""
        return seen, self.readout(seen)


class BackpropTrainer(ImageTrainer):
    """Training on labelled images by backpropagation: the same data, optimiser and schedule."""

    def new_network(self, recipe: ImageRecipe, classes: int, generator: torch.Generator) -> Perceptron:
        assert isinstance(recipe.network, BackpropConfig)
        return Perceptron(recipe.network, self.images.features, classes, generator)

    def prepare(self) -> None:
        self.taught = 0  # no hidden layer has a loss of its own
        super().prepare()

    def update(self, index: Tensor) -> Tensor:
        """One weight update from the cross-entropy of the images at `index`."""
        network, smoothing = self.network, self.recipe.network.label_smoothing
        rows, labels = self.rows(index), self.labels[index]
        with torch.enable_grad():
            logits = network.classify(network.look(rows, self.generator))[1]
            loss = cross_entropy(logits, labels, label_smoothing=smoothing)
        self.optimiser.zero_grad()
        torch.autograd.backward(loss)
        self.optimiser.step()
        return loss.detach().view(1)

"""Networks for characters trained by backpropagation, or with random hidden layers, with early stopping."""

import copy
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from typing import Literal

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from ffrec.config import CharacterConfig, ConfigError, TextRecipe
from ffrec.config.layers import spread
from ffrec.data.draws import Draws
from ffrec.data.images import silence
from ffrec.networks.text.character import Character
from ffrec.registry import pick
from ffrec.training.optimiser import make_optimiser, set_rates

Learns = Literal["all", "softmax"]


@dataclass(frozen=True)
class Setting:
    """What validation strings choose."""

    passes: int
    """Over the strings, in which the rate goes through the recipe's schedule."""
    factor: float = 1.0
    """Of the recipe's rates."""
    dropout: float = 1.0
    """Of the shares of the hidden layers that the recipe leaves out."""


CHANGES: tuple[Callable[[Setting], Setting], ...] = (
    lambda setting: replace(setting, factor=setting.factor / 3),
    lambda setting: replace(setting, factor=setting.factor * 3),
    lambda setting: replace(setting, dropout=setting.dropout / 2),
    lambda setting: replace(setting, dropout=0.0),
    lambda setting: replace(setting, passes=-(-setting.passes // 2)),
)
"""Tried one after another, each again and again as long as it makes the validation strings likelier."""


@dataclass(frozen=True)
class Trained:
    """A network at its best pass."""

    setting: Setting
    loss: float
    """Mean −log p of the validation strings' characters."""
    passed: int
    """Passes that it took."""
    weights: dict[str, Tensor]


def backprop(
    recipe: TextRecipe,
    strings: Tensor,
    validation: Tensor,
    symbols: int,
    seed: int,
    learns: Learns = "all",
    dropout: float | tuple[float, ...] = 0.0,
    patience: int = 5,
) -> tuple[Character, dict[str, float]]:
    """The recipe's network without its memory, all of it or its softmax alone trained by gradients of the
    cross-entropy, in float32, with early stopping.

    Same initial weights, batches, optimiser, schedule and weight decay; `dropout` is the share of every
    hidden layer, or of each, that the layers above do not read. Rate, dropout and passes are searched one
    after another: `CHANGES`. `patience` passes without a better validation loss end a trial. Returns the best
    network, and its setting.
    """
    if not isinstance(recipe.network, CharacterConfig):
        raise ConfigError(
            f"backpropagation: expected a network of kind character, found {recipe.network.kind}"
        )
    plain = recipe.override({"memory": 0.0, "lookahead": False})
    shape, training = plain.network, plain.training
    assert isinstance(shape, CharacterConfig)
    network = Character(shape, symbols, torch.Generator().manual_seed(seed)).to(strings.device)
    network.requires_grad_(learns == "all").readout.requires_grad_()
    shares = spread(dropout, len(shape.hidden))
    learn = partial(trained, network, plain, strings, validation, seed, shares, patience)
    known: dict[Setting, Trained] = {}

    def measured(setting: Setting) -> Trained:
        if not any(shares):
            setting = replace(setting, dropout=0.0)
        if setting not in known:
            known[setting] = learn(setting)
        return known[setting]

    best = measured(Setting(training.epochs * training.passes))
    for change in CHANGES:
        while (found := measured(change(best.setting))).loss < best.loss:
            best = found
    network.load_state_dict(best.weights)
    how = {"passes": best.passed, "of": best.setting.passes, "dropout": best.setting.dropout}
    rate = training.rate if learns == "all" else training.softmax_rate
    return network.requires_grad_(False), how | {"rate": rate * best.setting.factor, "trials": len(known)}


def trained(
    network: Character,
    recipe: TextRecipe,
    strings: Tensor,
    validation: Tensor,
    seed: int,
    shares: tuple[float, ...],
    patience: int,
    setting: Setting,
) -> Trained:
    """The network at its best pass, from the weights it has, to which it comes back."""
    start = copy.deepcopy(network.state_dict())
    best = Trained(setting, float("inf"), 0, start)
    drops = [share * setting.dropout for share in shares]
    for passed, loss in enumerate(passes(network, recipe, strings, validation, seed, drops, setting), 1):
        if loss < best.loss:
            best = Trained(setting, loss, passed, copy.deepcopy(network.state_dict()))
        if passed >= best.passed + patience:
            break
    network.load_state_dict(start)
    return best


def passes(
    network: Character,
    recipe: TextRecipe,
    strings: Tensor,
    validation: Tensor,
    seed: int,
    drops: list[float],
    setting: Setting,
) -> Iterator[float]:
    """Train pass after pass, and yield the validation loss after each."""
    training, drawn, draws = recipe.training, torch.Generator().manual_seed(seed), Draws(seed, strings.device)
    optimiser = make_optimiser(network.layers, network.readout, training)
    schedule, updates = pick("rate schedule", training.schedule), 0
    whole = setting.passes * math.ceil(len(strings) / training.batch)
    for _ in range(setting.passes):
        for index in torch.randperm(len(strings), generator=drawn).split(training.batch):
            set_rates(optimiser, setting.factor * schedule(updates / whole))
            draws.begin(updates)
            loss = loss_of(network, strings[index.to(strings.device)], drops, draws)
            optimiser.zero_grad()
            torch.autograd.backward(loss)
            optimiser.step()
            updates += 1
        with torch.no_grad():
            yield -network.log_likelihood(validation)["own"].mean().item()


def loss_of(network: Character, strings: Tensor, drops: list[float], draws: Draws) -> Tensor:
    """The cross-entropy of strings, where layers above do not read shares of the hidden units."""

    def drop(share: float, x: Tensor) -> Tensor:
        return silence(x, share, draws) / (1 - share)

    windows, following = network.cases(strings)
    with network.perturbed(None), torch.enable_grad():
        for level, share in enumerate(drops, 1):
            network.layer(level).perturb = partial(drop, share) if share else None
        return cross_entropy(network.logits(network.encode(windows)), following)

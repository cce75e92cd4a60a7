"""What else could predict the strings of a run: models that count, and networks of the same shape."""

import dataclasses
import math
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Protocol

import torch
from torch import Tensor

from ffrec.config import CharacterConfig, ConfigError, TextRecipe, TextTraining
from ffrec.evaluation.ngram import best_kneser_ney, unigram_log_likelihood
from ffrec.evaluation.text import calibrate_text, evaluate_text, summary
from ffrec.networks.text.memory import best_share
from ffrec.networks.text.network import TextNetwork
from ffrec.parallel.team import ALONE, Team
from ffrec.storage.run_folder import RunFolder
from ffrec.training.backprop.text import Learns, backprop
from ffrec.training.text import TextTrainer

SHARED = ("hidden", "window", "reads", "recency", "fading", "bias", "activation", "connection")
"""Settings of networks that predict by goodness that those which predict by their softmax have as well."""
OWN = ("hidden_dropout", "blanks", "negatives", "regime", "night")
"""How networks that predict by goodness learn alone."""
RANDOM, BACKPROP, PLAIN = "random features", "backpropagation", " (plain initial weights)"


class HeldOut(Protocol):
    """Validation and test strings of codes `(n, length)`."""

    @property
    def validation(self) -> Tensor: ...
    @property
    def test(self) -> Tensor: ...


def held_out(network: TextNetwork, text: HeldOut, team: Team = ALONE) -> dict[str, Any]:
    """Perplexity on the validation and on the test strings."""
    parts = {part: getattr(text, part).to(network.device) for part in ("validation", "test")}
    return {part: evaluate_text(network, strings, team=team) for part, strings in parts.items()}


def counted_results(
    network: TextNetwork, train: Tensor, validation: Tensor, parts: Mapping[str, Tensor]
) -> dict[str, Any]:
    """On each of the parts, the perplexity of models that only count the training strings (`baselines`), and
    of the network together with the best of them (`with_counts`).

    The validation strings choose the order of the Kneser–Ney model, and the exponent that calibrates it as it
    does the network. The network's mixture is with its counts as they are. All strings are on the CPU.
    """
    start, symbols = network.config.window, network.symbols
    kneser_ney = best_kneser_ney(train, validation, start, symbols)
    best, calibrated = f"Kneser-Ney of order {kneser_ney.order}", kneser_ney.calibrated(validation, start)
    models: dict[str, Callable[[Tensor], Tensor]] = {
        "uniform": lambda part: torch.full((len(part), part.shape[1] - start), -math.log(symbols)),
        "unigram": lambda part: unigram_log_likelihood(train, part, start, symbols),
        best: lambda part: kneser_ney.log_likelihood(part, start),
        f"{best}, calibrated": lambda part: calibrated.log_likelihood(part, start),
    }
    baselines = {
        name: {part: summary(model(strings)) for part, strings in parts.items()}
        for name, model in models.items()
    }
    together = {"model": best, **mixture(network, models[best], validation, parts)}
    return {"baselines": baselines, "with_counts": together}


def mixture(
    network: TextNetwork,
    other: Callable[[Tensor], Tensor],
    validation: Tensor,
    parts: Mapping[str, Tensor],
) -> dict[str, Any]:
    """The perplexity of (1 − share) p(network) + share p(other) on each of the parts, and the `share` that
    makes the validation strings likeliest; `other` says log p of strings' characters."""

    def own(strings: Tensor) -> Tensor:
        with torch.no_grad():
            return network.mix(network.log_likelihood(strings.to(network.device))).cpu().double()

    share = best_share(own(validation).flatten(), other(validation).flatten())
    found: dict[str, Any] = {"share": share.item()}
    for part, strings in parts.items():
        found[part] = summary(
            torch.logaddexp(own(strings) + torch.log1p(-share), other(strings) + share.log())
        )
    return found


def softmax_twin(recipe: TextRecipe) -> TextRecipe:
    """A network of the same shape that predicts by its softmax, without a memory, and sees windows alone;
    where the run's network predicts by goodness, its softmax learns as fast as the hidden layers.

    Raises ConfigError for a network that sees more than windows.
    """
    if isinstance(recipe.network, CharacterConfig):
        return recipe.override({"memory": 0.0, "lookahead": False})
    for name in ("state", "iterations"):
        if getattr(recipe.network, name):
            raise ConfigError(
                f"baselines: expected hidden layers that make one pass over windows, found {name}: compare "
                f"with a run without {name}"
            )
    shared = {name: getattr(recipe.network, name) for name in SHARED}
    own = {name: getattr(TextTraining(), name) for name in OWN}
    training = dataclasses.replace(recipe.training, **own, softmax_rate=recipe.training.rate)
    return dataclasses.replace(recipe, network=CharacterConfig(**shared), training=training)


def network_baselines(
    folder: RunFolder, recipe: TextRecipe, train: Tensor, text: HeldOut, symbols: int, device: torch.device
) -> dict[str, Any]:
    """Networks of the run's shape, trained on its strings in float32, and kept in its baselines.json: random
    features (only the softmax learns) and backpropagation, both with early stopping and the same search of
    settings, from the run's kind of codes and initial weights and, where these differ, from plain ones; if
    the run has a memory, also random features with it, which shows what it is worth that hidden layers
    learn."""
    kept = folder.read_json("baselines.json") or {}
    seed = folder.config["seed"]
    own = softmax_twin(recipe)
    shapes = {"": own, PLAIN: own.override({"recency": 1.0, "fading": 1.0, "bias": 0.0})}
    train, validation = train.to(device), text.validation.to(device)

    def with_memory() -> dict[str, Any]:
        trainer = TextTrainer(recipe.override({"regime": "random"}), train, symbols, seed, device)
        for _ in trainer.run(None, validation):
            pass
        with torch.no_grad():
            trainer.network.remember(train)
        return held_out(trainer.network, text)

    def searched(shape: TextRecipe, learns: Learns) -> dict[str, Any]:
        dropout = recipe.training.hidden_dropout
        network, how = backprop(shape, train, validation, symbols, seed, learns, dropout)
        network.exponents = calibrate_text(network, validation).exponents
        return held_out(network, text) | how

    wanted: dict[str, Callable[[], dict[str, Any]]] = {}
    if recipe.network.memory and recipe.network.kind == "character":
        wanted["random features with the memory"] = with_memory
    for note, shape in shapes.items():
        if not note or shape != own:
            wanted[RANDOM + note] = partial(searched, shape, "softmax")
            wanted[BACKPROP + note] = partial(searched, shape, "all")
    for name, measure in wanted.items():
        older = name in kept and "memory" not in name and "by_part" not in kept[name]["test"]
        if name not in kept or older:  # not calibrated
            kept[name] = measure()
            folder.write_json("baselines.json", kept)
    return kept

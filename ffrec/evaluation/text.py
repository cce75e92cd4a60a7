"""How well a next-character model predicts: perplexity, with an interval, and symbol by symbol."""

import math
from typing import TypedDict

import numpy as np
import torch
from torch import Tensor

from ffrec.evaluation.calibration import Calibration
from ffrec.networks.text.network import TextNetwork
from ffrec.networks.text.pool import fit_exponents, most_characters
from ffrec.parallel.team import ALONE, Team

RESAMPLED = 2000  # bootstrap samples of an interval
FEWEST = 10  # strings that an interval is drawn from


class BySymbol(TypedDict):
    """For each symbol, in the order of their codes."""

    count: list[int]
    perplexity: list[float]


class Perplexity(TypedDict, total=False):
    """How well strings are predicted; what a model without a memory, or with
    a single predictor that has no exponent, lacks is missing."""

    perplexity: float
    bits_per_character: float
    interval: tuple[float, float] | None
    strings: int
    characters: int
    by_symbol: BySymbol
    softmax_perplexity: float
    by_part: dict[str, float]


def perplexity(log_p: Tensor) -> float:
    """exp(−mean log p): 1 if every character was certain, the alphabet's size if all were equally likely."""
    return float((-log_p.cpu().double().mean()).exp())


def interval(log_p: Tensor, seed: int = 0) -> tuple[float, float] | None:
    """95 % bootstrap interval of the perplexity over strings: log p `(strings, characters)`.

    None for fewer than ten strings, which say nothing of how strings differ.
    """
    if len(log_p) < FEWEST:
        return None
    per_string = log_p.cpu().double().mean(1).numpy()
    drawn = np.random.default_rng(seed).integers(len(per_string), size=(RESAMPLED, len(per_string)))
    with np.errstate(over="ignore"):  # infinite is what it then is
        low, high = np.exp(-np.quantile(per_string[drawn].mean(1), [0.975, 0.025]))
    return float(low), float(high)


def summary(log_p: Tensor) -> Perplexity:
    """What is reported of any model's log p `(strings, characters)` of the characters that did follow."""
    found = perplexity(log_p)
    return {
        "perplexity": found,
        "bits_per_character": math.log2(found),
        "interval": interval(log_p),
        "strings": len(log_p),
        "characters": log_p.numel(),
    }


def by_symbol(log_p: Tensor, following: Tensor, symbols: int) -> BySymbol:
    """For each symbol, in the order of their codes: how often it followed, and exp(−mean log p) where it did.

    Both arguments have shape `(strings, characters)`. A symbol that never followed has perplexity nan.
    """
    codes, surprise = following.flatten().cpu(), -log_p.flatten().cpu().double()
    count = torch.bincount(codes, minlength=symbols)
    mean = torch.zeros(symbols, dtype=torch.float64).index_add_(0, codes, surprise) / count
    return {"count": count.tolist(), "perplexity": mean.exp().tolist()}


def log_likelihood(network: TextNetwork, strings: Tensor, team: Team) -> dict[str, Tensor]:
    """`TextNetwork.log_likelihood` of strings `(strings, length)`, each by one process of a team."""
    count = len(strings)
    if count < team.world:
        return network.log_likelihood(strings)
    found = network.log_likelihood(strings[team.part(count)])
    return {name: team.whole(log_p, count) for name, log_p in found.items()}


@torch.no_grad()
def evaluate_text(
    network: TextNetwork, strings: Tensor, weigh: bool = False, team: Team = ALONE
) -> Perplexity:
    """Perplexity of strings of codes `(strings, length)`; the first window of each is given, not predicted.

    Of a network whose memory holds anything, the perplexity without it is reported too; `weigh` first sets
    the memory's share in the prediction by these very strings. So is that of each part of a network that
    predicts by itself. Each process of a team computes its part of the strings.
    """
    every = log_likelihood(network, strings, team)
    own, recalled = every["own"], every.get("memory")
    if weigh and recalled is not None and network.memory is not None:
        network.memory.weigh(own, recalled)
    log_p = network.mix(every)
    following = strings[:, strings.shape[1] - log_p.shape[1] :]
    found = summary(log_p)
    found["by_symbol"] = by_symbol(log_p, following, network.symbols)
    if recalled is not None:
        found["softmax_perplexity"] = perplexity(own)
    if len(network.predictors) > 1 or network.exponents:
        found["by_part"] = {name: perplexity(every[name]) for name in network.predictors}
    return found


@torch.no_grad()
def calibrate_text(network: TextNetwork, strings: Tensor) -> Calibration:
    """Exponents of a network's predictors, fitted on the first characters of held-out strings `(strings,
    length)`: see `fit_exponents`.

    There are none for a network with a memory, whose share is fitted on the same strings, for one whose
    predictions are not finite, and where no character has a whole window before it.
    """
    if network.memory is not None or not strings[:, network.config.window :].numel():
        return Calibration()
    most, known = most_characters(len(network.predictors), network.symbols), 0
    predictions: list[Tensor] = []
    following: list[Tensor] = []
    for windows, came, state in network.batches(strings):
        parts = network.by_predictor(network.encode(windows, state))
        predictions.append(torch.stack([parts[name] for name in network.predictors], dim=1).cpu())
        following.append(came.cpu())
        known += len(came)
        if known >= most:
            break
    log_p, came = torch.cat(predictions)[:most], torch.cat(following)[:most]
    if not log_p.isfinite().all():
        return Calibration()
    start = torch.tensor([float(name == network.leading) for name in network.predictors])
    found = fit_exponents(log_p, came, start).tolist()
    return Calibration(
        fitted_on="validation", n=len(came), exponents=dict(zip(network.predictors, found, strict=True))
    )

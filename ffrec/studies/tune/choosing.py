"""How a search draws its next settings, and which trials it stops early: Optuna's samplers and pruners."""

from typing import Literal

import numpy as np
from optuna.distributions import CategoricalDistribution, IntDistribution
from optuna.pruners import BasePruner, HyperbandPruner, MedianPruner, NopPruner
from optuna.samplers import BaseSampler, RandomSampler, TPESampler

from ffrec.config import Recipe
from ffrec.studies.tune.space import Space, decoded

Sampler = Literal["tpe", "random"]
Pruner = Literal["median", "hyperband", "none"]


def make_sampler(name: str, seed: int, number: int) -> BaseSampler:
    """What draws the settings of trial `number`. Its chance is one of seed and number, so that processes
    draw different settings, and a search that was stopped goes on as if it had not been."""
    drawn = int(np.random.SeedSequence([seed, number]).generate_state(1)[0])
    if name == "random":
        return RandomSampler(seed=drawn)
    return TPESampler(seed=drawn, constant_liar=True)  # keeps away from trials that are still running


def make_pruner(name: str, recipe: Recipe, space: Space) -> BasePruner:
    """What says, after a validation, that a trial is not worth going on with."""
    if name == "none":
        return NopPruner()
    if name == "median":
        return MedianPruner()
    epochs = longest(recipe, space)
    return HyperbandPruner(min_resource=min(recipe.training.validate_every, epochs), max_resource=epochs)


def longest(recipe: Recipe, space: Space) -> int:
    """The most epochs that a trial may have."""
    drawn = space.distributions.get("epochs")
    if isinstance(drawn, IntDistribution):
        return drawn.high
    if isinstance(drawn, CategoricalDistribution):
        whole = [value for choice in drawn.choices if isinstance(value := decoded(choice, drawn), int)]
        return max([1, *whole])
    return recipe.training.epochs

"""Configuration: frozen dataclasses that refuse wrong values, of networks, training and whole recipes."""

from ffrec.config.base import ConfigError
from ffrec.config.networks import (
    BackpropConfig,
    CharacterConfig,
    FeedForwardConfig,
    LayerConfig,
    RecurrentConfig,
)
from ffrec.config.recipe import ImageRecipe, Recipe, TextRecipe, recipe_from
from ffrec.config.training import OptimiserConfig, PhasedConfig, TextTraining, TrainingConfig

__all__ = [
    "BackpropConfig",
    "CharacterConfig",
    "ConfigError",
    "FeedForwardConfig",
    "ImageRecipe",
    "LayerConfig",
    "OptimiserConfig",
    "PhasedConfig",
    "Recipe",
    "RecurrentConfig",
    "TextRecipe",
    "TextTraining",
    "TrainingConfig",
    "recipe_from",
]

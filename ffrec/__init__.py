"""Forward-Forward learning: recurrent top-down networks that are trained without a backward pass."""

from ffrec.config import ConfigError, Recipe, RecurrentConfig, TrainingConfig
from ffrec.evaluate import evaluate_images
from ffrec.images import Images
from ffrec.networks.recurrent import Recurrent
from ffrec.recipes import RECIPES, recipe
from ffrec.train import Trainer

__version__ = "0.1.0"
__all__ = [
    "RECIPES",
    "ConfigError",
    "Images",
    "Recipe",
    "Recurrent",
    "RecurrentConfig",
    "Trainer",
    "TrainingConfig",
    "evaluate_images",
    "recipe",
]

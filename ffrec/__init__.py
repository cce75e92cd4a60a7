"""Forward-Forward learning: networks for images and characters, trained without a backward pass."""

from ffrec.config import (
    BackpropConfig,
    CharacterConfig,
    ConfigError,
    FeedForwardConfig,
    ImageRecipe,
    Recipe,
    RecurrentConfig,
    TextRecipe,
    TextTraining,
    TrainingConfig,
)
from ffrec.data.images import Images
from ffrec.evaluation.images import evaluate_images
from ffrec.evaluation.text import evaluate_text
from ffrec.networks.character import Character
from ffrec.networks.feedforward import FeedForward
from ffrec.networks.one_shot import one_shot
from ffrec.networks.recurrent import Recurrent
from ffrec.recipes import RECIPES, recipe
from ffrec.training.images import ImageTrainer
from ffrec.training.text import TextTrainer

__version__ = "0.1.0"
__all__ = [
    "RECIPES",
    "BackpropConfig",
    "Character",
    "CharacterConfig",
    "ConfigError",
    "FeedForward",
    "FeedForwardConfig",
    "ImageRecipe",
    "ImageTrainer",
    "Images",
    "Recipe",
    "Recurrent",
    "RecurrentConfig",
    "TextRecipe",
    "TextTrainer",
    "TextTraining",
    "TrainingConfig",
    "evaluate_images",
    "evaluate_text",
    "one_shot",
    "recipe",
]

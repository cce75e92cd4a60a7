"""Forward-Forward learning: networks for images and characters, trained without a backward pass."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

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
from ffrec.evaluation.calibration import Calibration, calibrate, expected_calibration_error
from ffrec.evaluation.images import evaluate_images
from ffrec.evaluation.text import evaluate_text
from ffrec.networks.character import Character
from ffrec.networks.feedforward import FeedForward
from ffrec.networks.one_shot import one_shot
from ffrec.networks.recurrent import Recurrent
from ffrec.recipes import RECIPES, recipe
from ffrec.training.images import ImageTrainer
from ffrec.training.text import TextTrainer

if TYPE_CHECKING:
    from ffrec.estimator import FFClassifier
    from ffrec.model import ImageModel, TextModel, Trained, load, train

__version__ = "0.1.0"
__all__ = [
    "RECIPES",
    "BackpropConfig",
    "Calibration",
    "Character",
    "CharacterConfig",
    "ConfigError",
    "FFClassifier",
    "FeedForward",
    "FeedForwardConfig",
    "ImageModel",
    "ImageRecipe",
    "ImageTrainer",
    "Images",
    "Recipe",
    "Recurrent",
    "RecurrentConfig",
    "TextModel",
    "TextRecipe",
    "TextTrainer",
    "TextTraining",
    "Trained",
    "TrainingConfig",
    "calibrate",
    "evaluate_images",
    "evaluate_text",
    "expected_calibration_error",
    "load",
    "one_shot",
    "recipe",
    "train",
]

LATER = {  # names imported on first use: what they need is slow to import
    "FFClassifier": "ffrec.estimator",
    "ImageModel": "ffrec.model",
    "TextModel": "ffrec.model",
    "Trained": "ffrec.model",
    "load": "ffrec.model",
    "train": "ffrec.model",
}


def __getattr__(name: str) -> Any:
    """A public name on its first use (PEP 562)."""
    if name not in LATER:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    globals()[name] = found = getattr(import_module(LATER[name]), name)
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})

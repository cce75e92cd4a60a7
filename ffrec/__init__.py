"""Forward-Forward learning: networks for images and characters, trained without a backward pass."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from ffrec.baselines.reference import check_goodness
from ffrec.config import (
    BackpropConfig,
    CharacterConfig,
    ConfigError,
    ConvolutionalConfig,
    FeedForwardConfig,
    GoodnessCharacterConfig,
    ImageRecipe,
    LayerConfig,
    Recipe,
    RecurrentConfig,
    StagedConfig,
    TextRecipe,
    TextTraining,
    TrainingConfig,
    TwinConfig,
)
from ffrec.data.draws import Draws
from ffrec.data.images import Images
from ffrec.evaluation.calibration import Calibration, calibrate, expected_calibration_error
from ffrec.evaluation.images import evaluate_images
from ffrec.evaluation.text import evaluate_text
from ffrec.learning.agreement import Agreed, Agreement, agreement_update
from ffrec.learning.connection import Codes, Connection, Dense, Masked
from ffrec.learning.fields import Convolution, Local
from ffrec.learning.goodness import Blocks, Goodness, MeanActivity, MeanSquare, Minus, Places, normalise
from ffrec.learning.layer import Layer
from ffrec.learning.objective import CandidateSoftmax, ClassSoftmax, Logistic, Objective, Pairwise
from ffrec.learning.scores import LearntScores, Prototypes, RandomScores
from ffrec.learning.transform import BlackBox, Pool
from ffrec.learning.update import Measured, Step, local_update
from ffrec.negatives.labels import Negatives
from ffrec.networks.convolutional import Convolutional
from ffrec.networks.feedforward import FeedForward
from ffrec.networks.network import Encoding, Network
from ffrec.networks.one_shot import one_shot
from ffrec.networks.recurrent import Recurrent
from ffrec.networks.stream import Stream
from ffrec.networks.text.character import Character
from ffrec.networks.text.goodness import GoodnessCharacter
from ffrec.networks.twin import Twin
from ffrec.recipes import RECIPES, recipe
from ffrec.registry import register
from ffrec.training.images import ImageTrainer
from ffrec.training.text import TextTrainer
from ffrec.training.twin import TwinTrainer

if TYPE_CHECKING:
    from ffrec.estimator import FFClassifier
    from ffrec.models.image_model import ImageModel
    from ffrec.models.load import load
    from ffrec.models.notebook import Trained, train
    from ffrec.models.text_model import TextModel

__version__ = "0.1.0"
__all__ = [
    "RECIPES",
    "Agreed",
    "Agreement",
    "BackpropConfig",
    "BlackBox",
    "Blocks",
    "Calibration",
    "CandidateSoftmax",
    "Character",
    "CharacterConfig",
    "ClassSoftmax",
    "Codes",
    "ConfigError",
    "Connection",
    "Convolution",
    "Convolutional",
    "ConvolutionalConfig",
    "Dense",
    "Draws",
    "Encoding",
    "FFClassifier",
    "FeedForward",
    "FeedForwardConfig",
    "Goodness",
    "GoodnessCharacter",
    "GoodnessCharacterConfig",
    "ImageModel",
    "ImageRecipe",
    "ImageTrainer",
    "Images",
    "Layer",
    "LayerConfig",
    "LearntScores",
    "Local",
    "Logistic",
    "Masked",
    "MeanActivity",
    "MeanSquare",
    "Measured",
    "Minus",
    "Negatives",
    "Network",
    "Objective",
    "Pairwise",
    "Places",
    "Pool",
    "Prototypes",
    "RandomScores",
    "Recipe",
    "Recurrent",
    "RecurrentConfig",
    "StagedConfig",
    "Step",
    "Stream",
    "TextModel",
    "TextRecipe",
    "TextTrainer",
    "TextTraining",
    "Trained",
    "TrainingConfig",
    "Twin",
    "TwinConfig",
    "TwinTrainer",
    "agreement_update",
    "calibrate",
    "check_goodness",
    "evaluate_images",
    "evaluate_text",
    "expected_calibration_error",
    "load",
    "local_update",
    "normalise",
    "one_shot",
    "recipe",
    "register",
    "train",
]

LATER = {  # names imported on first use: what they need is slow to import
    "FFClassifier": "ffrec.estimator",
    "ImageModel": "ffrec.models.image_model",
    "TextModel": "ffrec.models.text_model",
    "Trained": "ffrec.models.notebook",
    "load": "ffrec.models.load",
    "train": "ffrec.models.notebook",
}


def __getattr__(name: str) -> Any:
    """A public name on its first use (PEP 562)."""
    if name not in LATER:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    globals()[name] = found = getattr(import_module(LATER[name]), name)
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})

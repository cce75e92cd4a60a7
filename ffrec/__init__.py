"""Forward-Forward learning: networks for images and characters, trained without a backward pass."""

from ffrec.config import (
    BackpropConfig,
    CharacterConfig,
    ConfigError,
    FeedForwardConfig,
    ImageRecipe,
    LayerConfig,
    Recipe,
    RecurrentConfig,
    TextRecipe,
    TextTraining,
    TrainingConfig,
)
from ffrec.data.images import Images
from ffrec.evaluation.images import evaluate_images
from ffrec.evaluation.text import evaluate_text
from ffrec.learning.connection import Codes, Connection, Dense, Masked
from ffrec.learning.fields import Convolution, Local
from ffrec.learning.goodness import Blocks, Goodness, MeanActivity, MeanSquare, Minus, Places, normalise
from ffrec.learning.layer import Layer
from ffrec.learning.objective import CandidateSoftmax, ClassSoftmax, Logistic, Objective, Pairwise
from ffrec.learning.scores import LearntScores, RandomScores
from ffrec.learning.transform import BlackBox, Pool
from ffrec.learning.update import Measured, Step, local_update
from ffrec.negatives.labels import Negatives
from ffrec.networks.character import Character
from ffrec.networks.feedforward import FeedForward
from ffrec.networks.network import Encoding, Network
from ffrec.networks.one_shot import one_shot
from ffrec.networks.recurrent import Recurrent
from ffrec.recipes import RECIPES, recipe
from ffrec.registry import register
from ffrec.training.images import ImageTrainer
from ffrec.training.text import TextTrainer

__version__ = "0.1.0"
__all__ = [
    "RECIPES",
    "BackpropConfig",
    "BlackBox",
    "Blocks",
    "CandidateSoftmax",
    "Character",
    "CharacterConfig",
    "ClassSoftmax",
    "Codes",
    "ConfigError",
    "Connection",
    "Convolution",
    "Dense",
    "Encoding",
    "FeedForward",
    "FeedForwardConfig",
    "Goodness",
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
    "RandomScores",
    "Recipe",
    "Recurrent",
    "RecurrentConfig",
    "Step",
    "TextRecipe",
    "TextTrainer",
    "TextTraining",
    "TrainingConfig",
    "evaluate_images",
    "evaluate_text",
    "local_update",
    "normalise",
    "one_shot",
    "recipe",
    "register",
]

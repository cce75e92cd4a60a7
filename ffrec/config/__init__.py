"""Configuration: frozen dataclasses that refuse wrong values, of networks, training and whole recipes."""

from ffrec.config.backprop import BackpropConfig, BaselineConfig, ConvolutionalBackpropConfig
from ffrec.config.base import ConfigError
from ffrec.config.character import CharacterConfig, GoodnessCharacterConfig, TextNetworkConfig
from ffrec.config.convolutional import ConvolutionalConfig
from ffrec.config.feedforward import FeedForwardConfig
from ffrec.config.layers import LayerConfig
from ffrec.config.recipe import ImageRecipe, Recipe, TextRecipe, recipe_from
from ffrec.config.recurrent import RecurrentConfig
from ffrec.config.training import OptimiserConfig, PhasedConfig, TextTraining, TrainingConfig
from ffrec.config.twin import AgreementConfig, StagedConfig, TwinConfig

__all__ = [
    "AgreementConfig",
    "BackpropConfig",
    "BaselineConfig",
    "CharacterConfig",
    "ConfigError",
    "ConvolutionalBackpropConfig",
    "ConvolutionalConfig",
    "FeedForwardConfig",
    "GoodnessCharacterConfig",
    "ImageRecipe",
    "LayerConfig",
    "OptimiserConfig",
    "PhasedConfig",
    "Recipe",
    "RecurrentConfig",
    "StagedConfig",
    "TextNetworkConfig",
    "TextRecipe",
    "TextTraining",
    "TrainingConfig",
    "TwinConfig",
    "recipe_from",
]

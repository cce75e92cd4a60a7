"""Networks: one file each. The order of the imports is that of the menu."""

from ffrec.networks.character import Character
from ffrec.networks.convolutional import Convolutional
from ffrec.networks.feedforward import FeedForward
from ffrec.networks.network import Classifier, Encoding, Local, Network
from ffrec.networks.recurrent import Recurrent
from ffrec.networks.twin import Twin

__all__ = [
    "Character",
    "Classifier",
    "Convolutional",
    "Encoding",
    "FeedForward",
    "Local",
    "Network",
    "Recurrent",
    "Twin",
]

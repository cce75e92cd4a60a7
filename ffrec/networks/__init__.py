"""Networks: one file each. The order of the imports is that of the menu."""

from ffrec.networks.convolutional import Convolutional
from ffrec.networks.feedforward import FeedForward
from ffrec.networks.network import Classifier, Encoding, Local, Network
from ffrec.networks.recurrent import Recurrent
from ffrec.networks.text.character import Character
from ffrec.networks.text.goodness import GoodnessCharacter
from ffrec.networks.text.network import TextNetwork
from ffrec.networks.twin import Twin

__all__ = [
    "Character",
    "Classifier",
    "Convolutional",
    "Encoding",
    "FeedForward",
    "GoodnessCharacter",
    "Local",
    "Network",
    "Recurrent",
    "TextNetwork",
    "Twin",
]

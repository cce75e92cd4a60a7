"""Fixtures that several rooms' tests share."""

import pytest
import torch

from ffrec.config import RecurrentConfig
from ffrec.data.draws import Draws
from ffrec.learning.midpoint import Midpoint
from ffrec.networks.recurrent import Recurrent

torch.set_num_threads(1)  # the networks of the tests are too small for more


@pytest.fixture
def generator() -> torch.Generator:
    return torch.Generator().manual_seed(7)


@pytest.fixture
def draws() -> Draws:
    return Draws(7)


@pytest.fixture
def tiny(generator: torch.Generator):
    """A factory of small float64 networks for 12 features and 4 classes, biases not zero."""

    def make(**fields) -> Recurrent:
        fields = {"hidden": (9, 7), "sharpness": 3.0} | fields
        network = Recurrent(RecurrentConfig(**fields), 12, 4, generator).double()
        for level in network.levels:
            network.layer(level).bias.normal_(0, 0.3, generator=generator)
        return network

    return make


@pytest.fixture
def cases(generator: torch.Generator):
    """Images `(5, 12)` in float64, and labels `(5, 2)`: a true one and a wrong one each."""
    images = torch.rand(5, 12, generator=generator, dtype=torch.float64)
    true = torch.randint(4, (5,), generator=generator)
    return images, torch.stack([true, (true + 1) % 4], dim=1)


@pytest.fixture
def knowing():
    """A function that gives a network's midpoints random gaps, in the middle of a phase."""

    def make(network, sign: float, generator: torch.Generator) -> None:
        for module in network.modules():
            if isinstance(module, Midpoint):
                module.gap.normal_(generator=generator)
                module.sign.fill_(sign)
                module.updates.fill_(100)

    return make

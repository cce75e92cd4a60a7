"""Fixtures that several rooms' tests share."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from commands import ffrec

import corpora
from ffrec.config import RecurrentConfig
from ffrec.data.draws import Draws
from ffrec.data.images import Images
from ffrec.learning.midpoint import Midpoint
from ffrec.networks.recurrent import Recurrent
from ffrec.recipes import recipe
from ffrec.storage.run_folder import RunFolder
from ffrec.tasks.recorded import configuration

torch.set_num_threads(1)  # the networks of the tests are too small for more


@pytest.fixture(autouse=True)
def denormal():
    """A command that trains takes denormal numbers for zero, in its whole process: not so the next test."""
    yield
    torch.set_flush_denormal(False)


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
def answering(tiny, generator):
    """A small network, images and labels for it."""
    network = tiny(damping=0.4).float()
    images = Images(torch.randint(256, (40, 3, 4), generator=generator, dtype=torch.uint8))
    network.readout.weight.normal_(generator=generator)
    return network, images, torch.randint(4, (40,), generator=generator)


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


@pytest.fixture(scope="session")
def small_runs(tmp_path_factory) -> Path:
    """A folder of small finished runs: recurrent of two seeds (r0, r1), one that learnt from validation
    images too (all), feed-forward (ff), backprop on the same images as a file (bp); and one on a text, which
    has only begun (text)."""
    folder = tmp_path_factory.mktemp("small")
    digits = corpora.load_images("digits", None)
    np.savez(
        folder / "digits.npz",
        x_train=digits.train.images.numpy(),
        y_train=digits.train.labels.numpy(),
        x_test=digits.test.images.numpy(),
        y_test=digits.test.labels.numpy(),
    )
    quick = ["--set", "hidden=[30,20]", "--set", "epochs=6", "--set", "batch=100", "--precision", "fp32"]
    five = [*quick, "--set", "iterations=5", "--set", "window=[3,5]"]
    for out, name, *more in [
        ("r0", "recurrent-digits", *five),
        ("r1", "recurrent-digits", *five, "--seed", "1"),
        ("all", "recurrent-digits", *five, "--set", "train_on_validation=true"),
        ("ff", "supervised-digits", *quick, "--set", "reads=[2]"),
        ("bp", "backprop-mnist", *quick, "--set", "reads=[2]", "--images", "digits.npz"),
    ]:
        done = ffrec("train", name, *more, "--out", out, cwd=folder)
        assert done.returncode == 0, done.stderr
    RunFolder.create(folder / "text", configuration(recipe("fables"), 0, "fp32"))
    return folder


@pytest.fixture(scope="session")
def goodness_run(tmp_path_factory):
    """A small finished run that predicts characters by goodness, and what `train --json` printed."""
    folder = tmp_path_factory.mktemp("goodness")
    size = ["--set", "hidden=[20,10]", "--set", "window=6", "--set", "epochs=2", "--set", "strings=60"]
    done = ffrec("train", "fables-goodness", *size, "--out", "run", "--json", cwd=folder)
    assert done.returncode == 0, done.stderr
    return folder / "run", json.loads(done.stdout)

"""Training steps, each with the products it cannot do without and its twin that autograd differentiates."""

from collections.abc import Callable, Iterable
from functools import partial
from typing import Any, NamedTuple

import torch
from torch import Tensor

from ffrec.baselines.chain import autograd_chain
from ffrec.baselines.reference import autograd_recurrent
from ffrec.bench.formulas import Computation, Product, character, feedforward, goodness_character, recurrent
from ffrec.bench.products import multiply
from ffrec.config import (
    CharacterConfig,
    FeedForwardConfig,
    GoodnessCharacterConfig,
    ImageRecipe,
    RecurrentConfig,
    TextRecipe,
)
from ffrec.networks.feedforward import FeedForward
from ffrec.networks.recurrent import Recurrent
from ffrec.training.arithmetic import computing
from ffrec.training.images import ImageTrainer
from ffrec.training.text import TextTrainer
from ffrec.training.trainer import Trainer

CLASSES, SYMBOLS, LENGTH = 10, 30, 100
DTYPES = {"fp32": torch.float32, "tf32": torch.float32, "bf16": torch.bfloat16}
"""The type that an arithmetic multiplies."""
FORMULAS: dict[type, Callable[..., Computation]] = {
    RecurrentConfig: recurrent,
    FeedForwardConfig: feedforward,
    CharacterConfig: character,
    GoodnessCharacterConfig: goodness_character,
}
"""What a step of a network computes, by its configuration."""


class Work(NamedTuple):
    """What is timed, on random data, and beside what."""

    counted: str
    """What it gets through: images or characters."""
    cases: int
    """How many of them a step gets through."""
    variants: dict[str, Callable[[], object]]
    """A `step`; of training also its `products` alone, the `optimiser` alone, on as many weights, and, where
    there is one, its `twin`; of rollouts also those of a `single` string."""


def under(trainer: Trainer, run: Callable[[], object]) -> Callable[[], None]:
    """The same call in a trainer's arithmetic, without a graph."""

    def call() -> None:
        with torch.no_grad(), computing(trainer.network, trainer.arithmetic, trainer.device):
            run()

    return call


def image_trainer(recipe: ImageRecipe, arithmetic: str, device: str, side: int = 28) -> ImageTrainer:
    """A recipe's trainer on two batches of random images."""
    drawn, count = torch.Generator().manual_seed(0), 2 * recipe.training.batch
    images = torch.randint(256, (count, side, side), generator=drawn, dtype=torch.uint8)
    labels = torch.randint(CLASSES, (count,), generator=drawn)
    return ImageTrainer(recipe, images, labels, CLASSES, device=device, arithmetic=arithmetic)


def image_work(recipe: ImageRecipe, arithmetic: str, device: str, side: int = 28) -> Work:
    """A step from one batch of images with their true and their wrong labels."""
    trainer, twin = (image_trainer(recipe, arithmetic, device, side) for _ in range(2))
    twin.network.layers.requires_grad_()
    index = torch.arange(recipe.training.batch, device=trainer.device)
    computed = FORMULAS[type(recipe.network)](recipe.network, side**2, CLASSES, len(index))
    found = variants(
        trainer, twin, lambda: trainer.update(trainer.part(index)), image_twin(twin, index), computed
    )
    return Work("images", len(index), found)


def text_work(recipe: TextRecipe, arithmetic: str, device: str, length: int = LENGTH) -> Work:
    """A step from one batch of strings and of negative strings, which are there already: rollouts are timed
    by themselves."""
    drawn = torch.Generator().manual_seed(0)
    strings = torch.randint(SYMBOLS, (recipe.training.batch, length), generator=drawn)
    trainer, twin = (
        TextTrainer(recipe, strings, SYMBOLS, device=device, arithmetic=arithmetic) for _ in range(2)
    )
    twin.network.layers.requires_grad_()
    for each in (trainer, twin):
        each.negatives = strings.flip(0).to(trainer.device)
    index = torch.arange(len(strings), device=trainer.device)
    cases = len(trainer.network.cases(strings)[0])
    computed = FORMULAS[type(recipe.network)](recipe.network, SYMBOLS, cases)
    found = variants(
        trainer, twin, lambda: trainer.learn(trainer.part(index), "both"), text_twin(twin), computed
    )
    return Work("characters", cases, found)


def tried_work(recipe: TextRecipe, arithmetic: str, device: str, length: int = LENGTH) -> Work:
    """A step from one batch of strings in which every character is tried; it has no twin."""
    drawn = torch.Generator().manual_seed(0)
    strings = torch.randint(SYMBOLS, (recipe.training.batch, length), generator=drawn)
    trainer, other = (
        TextTrainer(recipe, strings, SYMBOLS, device=device, arithmetic=arithmetic) for _ in range(2)
    )
    index = torch.arange(len(strings), device=trainer.device)
    step, first = (under(each, partial(tried, each, index)) for each in (trainer, other))
    first()  # so that there are gradients for the optimiser to step by
    cases = len(trainer.network.cases(strings)[0])
    computed = FORMULAS[type(recipe.network)](recipe.network, SYMBOLS, cases)
    products = alone(trainer, computed.products)
    return Work("characters", cases, {"step": step, "products": products, "optimiser": other.optimiser.step})


def tried(trainer: TextTrainer, index: Tensor) -> None:
    """One update from strings, in which every character is tried."""
    trainer.try_characters(trainer.part(index), "both")


def alone(trainer: Trainer, products: Iterable[Product]) -> Callable[[], None]:
    """Products as a trainer multiplies them, and nothing else."""
    return multiply(products, DTYPES[trainer.arithmetic], trainer.device)


def variants(
    trainer: Any, twin: Any, step: Callable[[], object], by_twin: Callable[[], None], computed: Computation
) -> dict[str, Callable[[], object]]:
    """What takes turns: the step, its parts that nobody can do without, and the twin."""
    by_twin()  # so that there are gradients for the optimiser to step by
    return {
        "step": under(trainer, step),
        "products": alone(trainer, computed.products),
        "optimiser": twin.optimiser.step,
        "twin": by_twin,
    }


def mixed(twin: Trainer) -> torch.autocast:
    """The arithmetic of a twin in bfloat16: torch's own way, which casts weights once until it is left."""
    return torch.autocast(twin.device.type, torch.bfloat16, enabled=twin.arithmetic == "bf16")


def image_twin(twin: ImageTrainer, index: Tensor) -> Callable[[], None]:
    """The same step by autograd, with every layer's input detached."""
    network = twin.network

    def prepare() -> tuple[Any, Tensor]:
        twin.draws.begin(0)
        rows, labels = twin.rows(index), twin.labels[index]
        encoding = network.encode(rows)
        features = network.features(encoding)
        logits = network.readout(features)
        network.readout.learn(features, logits, labels)
        return encoding, twin.candidates(logits, labels, "both")

    def run() -> None:
        with torch.no_grad(), mixed(twin):  # left, so that what it has cast
            encoding, candidates = prepare()
        network.zero_grad()
        with mixed(twin):  # without a graph is cast anew here
            if isinstance(network, Recurrent):
                autograd_recurrent(network, encoding, candidates)
            if isinstance(network, FeedForward):
                inputs = {"0": encoding.input, "label": candidates.unsqueeze(2)}
                layers = [network.layer(level) for level in network.levels]
                autograd_chain(layers, inputs, torch.tensor([1.0, -1.0], device=twin.device))
        twin.optimiser.step()

    return run


def text_twin(twin: TextTrainer) -> Callable[[], None]:
    """The same step by autograd: positive windows, which the softmax reads, then negative ones."""
    network, index = twin.network, torch.arange(len(twin.strings), device=twin.device)
    layers = [network.layer(level) for level in network.levels]

    def run() -> None:
        with torch.no_grad(), mixed(twin):
            windows, following = network.cases(twin.strings)
            features = network.features(network.encode(windows))
            network.readout.learn(features, network.readout(features), following)
        network.zero_grad()
        with mixed(twin):
            for codes, sign in ((windows, 1.0), (twin.negative_passages(index), -1.0)):
                autograd_chain(layers, {"0": codes.unsqueeze(1)}, torch.full((1,), sign, device=twin.device))
        twin.optimiser.step()

    return run

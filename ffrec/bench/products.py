"""The matrix products that a training step cannot do without: same shapes, same number, nothing else."""

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import torch
from torch import Tensor

from ffrec.networks.feedforward import FeedForward
from ffrec.networks.network import Network
from ffrec.networks.recurrent import Recurrent
from ffrec.networks.text.character import Character
from ffrec.networks.text.goodness import GoodnessCharacter


class Product(NamedTuple):
    """x W of so many rows, or the gradient xᵀ δ of W over so many rows."""

    kind: str
    """forward, or grad."""
    rows: int
    weight: Tensor

    @property
    def flops(self) -> int:
        """2 · rows · source units · units."""
        return 2 * self.rows * self.weight.numel()


def of_readout(network: Network, cases: int) -> Iterator[Product]:
    """The softmax reads every case once and learns from it."""
    weight: Tensor = network.readout.weight
    yield Product("forward", cases, weight)
    yield Product("grad", cases, weight)


def of_recurrent(network: Recurrent, batch: int) -> Iterator[Product]:
    """Two candidate labels: a layer that no label has reached yet is computed for both at once; a gradient is
    one product over all iterations, with the image and the label over one."""
    first, last = network.config.loss
    for level in network.levels:
        layer = network.layer(level)
        for name in layer.sources:
            source, weight = int(name), layer.connection(name).weight
            if source == 0:
                yield Product("forward", batch, weight)
                yield Product("grad", batch, weight)
            elif source == network.top:  # rows that are picked, and one small product
                yield Product("grad", 2 * batch, weight)
            else:
                if source < level:
                    yield Product("forward", batch, weight)  # the bottom-up pass
                for number in range(1, last + 1):
                    reached = number > network.top - source  # has the label reached the source before?
                    yield Product("forward", 2 * batch if reached else batch, weight)
                yield Product("grad", (last - first + 1) * 2 * batch, weight)
    yield from of_readout(network, batch)


def of_feedforward(network: FeedForward, batch: int) -> Iterator[Product]:
    """A pass with the neutral label, and one with two labels, which share the product with the image."""
    for level in network.levels:
        layer = network.layer(level)
        for name in layer.sources:
            weight = layer.connection(name).weight
            if name == "label":
                yield Product("grad", 2 * batch, weight)
            elif level == 1:
                yield Product("forward", batch, weight)
                yield Product("grad", batch, weight)
            else:
                yield Product("forward", batch, weight)
                yield Product("forward", 2 * batch, weight)
                yield Product("grad", 2 * batch, weight)
    yield from of_readout(network, batch)


def of_character(network: Character, cases: int) -> Iterator[Product]:
    """As many positive as negative windows together, of which the softmax reads the positive ones.

    The first layer's gradient counts as a product with characters written out, as it is on a GPU; a CPU sums
    rows in place of it, which is less.
    """
    for level in network.levels:
        weight = network.layer(level).connection(str(level - 1)).weight
        if level > 1:  # characters are rows that are picked
            yield Product("forward", 2 * cases, weight)
        yield Product("grad", 2 * cases, weight)
    yield from of_readout(network, cases)


def of_goodness_character(network: GoodnessCharacter, cases: int) -> Iterator[Product]:
    """A pass with the neutral character, one with all, and iterations with all; what all cases share takes no
    product of its own. A state takes one product when it is made, and one when it is read."""
    tried, again = cases * network.symbols, network.config.iterations
    for level in network.levels:
        for source in network.layer(level).sources:
            weight = network.layer(level).connection(source).weight
            if source in ("0", "state"):
                yield from (Product("forward", cases, weight) for _ in range(2 * (source == "state")))
                yield Product("grad", cases, weight)
            elif source != "next":  # characters are rows that are picked
                below = int(source) < level
                yield from (Product("forward", cases, weight) for _ in range(below))
                yield from (Product("forward", tried, weight) for _ in range(below + again))
                yield Product("grad", max(1, again) * tried, weight)
    yield from of_readout(network, cases)


KINDS: dict[type[Network], Callable[[Any, int], Iterator[Product]]] = {
    Recurrent: of_recurrent,
    FeedForward: of_feedforward,
    Character: of_character,
    GoodnessCharacter: of_goodness_character,
}


def own_products(network: Network, cases: int) -> list[Product]:
    """The products of one training step from so many cases: images, or windows of characters."""
    return list(KINDS[type(network)](network, cases))


def multiply(products: list[Product], dtype: torch.dtype) -> Callable[[], None]:
    """A function that forms these products from random numbers, with operands and results of one type."""
    pairs = []
    for kind, rows, weight in products:
        below, units = weight.shape
        x = torch.randn(rows, below, device=weight.device).to(dtype)
        if kind == "grad":
            pairs.append((x.T, torch.randn(rows, units, device=weight.device).to(dtype)))
        else:
            pairs.append((x, weight.detach().to(dtype)))

    def run() -> None:
        for left, right in pairs:
            torch.mm(left, right)

    return run

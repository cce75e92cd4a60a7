"""What an update computes: its matrix products, by layer, and the numbers that its layers form.

Formulas of configurations alone: nothing is built or run. A test compares them with what the code multiplies.
Labels and characters need no product on the way up: rows of weights are picked. Their gradient is a product
with codes that are written out.
"""

from collections import Counter
from collections.abc import Sequence
from itertools import pairwise
from typing import Literal, NamedTuple

from ffrec.config import CharacterConfig, FeedForwardConfig, GoodnessCharacterConfig, RecurrentConfig


class Product(NamedTuple):
    """x W of so many rows (forward), or xᵀ δ over so many rows (grad), of one weight matrix W."""

    level: int
    """Of the layer that W belongs to; the softmax comes after the last hidden layer."""
    kind: Literal["forward", "grad"]
    rows: int
    source: int
    """Units of the source: rows of W."""
    units: int

    @property
    def flops(self) -> int:
        """2 · rows · source · units: a multiplication and an addition for each."""
        return 2 * self.rows * self.source * self.units


class Computation(NamedTuple):
    """What one update of a network from so many cases, images or windows, computes."""

    cases: int
    products: tuple[Product, ...]
    weights: dict[int, int]
    """Weights and biases of each layer, by level."""
    formed: int
    """Activities that hidden layers form: over cases, candidates, passes and iterations."""
    hidden: tuple[int, ...]

    @property
    def flops(self) -> int:
        return sum(product.flops for product in self.products)


class Sum:
    """Adds up the products of a network's connections, one after another."""

    def __init__(self, hidden: Sequence[int], cases: int) -> None:
        self.hidden, self.cases = tuple(hidden), cases
        self.products: list[Product] = []
        self.weights: Counter[int] = Counter(dict(enumerate(hidden, 1)))  # biases

    def add(self, level: int, source: int, units: int, forward: Sequence[int], grad: Sequence[int]) -> None:
        """One weight matrix, and the rows of each of its products, in cases."""
        self.weights[level] += source * units
        self.products += [Product(level, "forward", rows * self.cases, source, units) for rows in forward]
        self.products += [Product(level, "grad", rows * self.cases, source, units) for rows in grad]

    def end(self, read: Sequence[int], classes: int, passes: int) -> Computation:
        """With the softmax, which reads the levels `read` once and learns from them."""
        top, features = len(self.hidden) + 1, sum(self.hidden[level - 1] for level in read)
        self.weights[top] += classes
        self.add(top, features, classes, [1], [1])
        formed = self.cases * passes * sum(self.hidden)
        return Computation(self.cases, tuple(self.products), dict(self.weights), formed, self.hidden)


def recurrent(config: RecurrentConfig, inputs: int, classes: int, cases: int) -> Computation:
    """A bottom-up pass, then synchronous iterations with the true label and one wrong label.

    A label goes on by one connection in an iteration: before it reaches a source, both labels share one
    product with what that source sends. A gradient is one product over all iterations that have a loss; the
    image and the label are the same in all of them.
    """
    units, top, work = (inputs, *config.hidden, classes), len(config.hidden) + 1, Sum(config.hidden, cases)
    first, last = config.loss
    reached = label_reaches(config.connections, top)
    for source, level in config.connections:
        if source == 0:
            rows, learnt = [1], [1]
        elif source == top:
            rows, learnt = [], [2]
        else:
            rows = [1] * (source < level) + [1 + (n > reached[source]) for n in range(1, last + 1)]
            learnt = [2 * (last - first + 1)]
        work.add(level, units[source], units[level], rows, learnt)
    return work.end(range(1, top), classes, 1 + 2 * last)


def label_reaches(connections: Sequence[tuple[int, int]], top: int) -> dict[int, int]:
    """The iteration in which a hidden level first knows of the label, by level."""
    reached = {top: 0}
    while len(reached) < len({level for _, level in connections}) + 1:
        number = max(reached.values()) + 1
        reached |= {to: number for source, to in connections if source in reached and to not in reached}
    return reached


def feedforward(config: FeedForwardConfig, inputs: int, classes: int, cases: int) -> Computation:
    """With labels, a pass with the neutral one and a pass with the true and a wrong label, which share the
    product with the image; without labels, one pass over positive and negative images. Layers are dense."""
    labelled, work = config.label != "none", Sum(config.hidden, cases)
    seen = inputs - (classes if config.label == "overwrite" else 0)
    for level, (source, units) in enumerate(pairwise((seen, *config.hidden)), 1):
        if labelled and level == 1:
            work.add(1, source, units, [1], [1])
            work.add(1, classes, units, [], [2])
        else:
            work.add(level, source, units, [1, 2] if labelled else [2], [2])
    return work.end(config.read, classes, 2 + labelled)


def character(config: CharacterConfig, symbols: int, cases: int) -> Computation:
    """Windows of characters, positive and negative, as many of each, in one pass.

    Layers that see the character after a window pass over positive windows twice: once without it, for the
    softmax.
    """
    work, once = Sum(config.hidden, cases), [1] * config.lookahead
    work.add(1, symbols * (config.window + config.lookahead), config.hidden[0], [], [2])
    for level, (source, units) in enumerate(pairwise(config.hidden), 2):
        work.add(level, source, units, [2, *once], [2])
    read = config.reads or range(1, len(config.hidden) + 1)
    return work.end(read, symbols, 2 + config.lookahead)


def goodness_character(config: GoodnessCharacterConfig, symbols: int, cases: int) -> Computation:
    """Windows of characters: a pass with the neutral character for the softmax, one in which every character
    is tried, and iterations with all of them. Windows and states are alike for all characters that are tried.
    A state is made and read; what sends to its layer multiplies once more for it. Not counted: that the last
    character of a string makes no state, and one small product of δ summed over the windows with the codes of
    the characters that are tried.
    """
    hidden, again = config.hidden, config.iterations
    work, learnt = Sum(hidden, cases), [max(1, again) * symbols]
    work.add(1, (symbols + 1) * config.window, hidden[0], [], [1])
    work.add(1, symbols, hidden[0], [], [])
    if config.state:
        work.add(1, hidden[config.state - 1], hidden[0], [1, 1], [1])
    for level, (source, units) in enumerate(pairwise(hidden), 2):
        for_state = [1] * (level <= config.state)
        work.add(level, source, units, [1, *for_state, *[symbols] * (1 + again)], learnt)
        if again:
            work.add(level - 1, units, source, [symbols] * again, learnt)
    return work.end(config.reads or range(1, len(hidden) + 1), symbols, 1 + symbols * (1 + again))


def generation(config: CharacterConfig, symbols: int, characters: int) -> int:
    """Flops of generating so many characters: one forward product in each hidden layer above the first, and
    in the softmax."""
    read = config.reads or range(1, len(config.hidden) + 1)
    pairs = [*pairwise(config.hidden), (sum(config.hidden[level - 1] for level in read), symbols)]
    return sum(2 * characters * source * units for source, units in pairs)

"""How long an update takes on one device and on many: a clock that runs on formulas and stated speeds."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from ffrec.bench.formulas import Computation, Product

Exchange = Callable[[float], float]
"""Seconds of an exchange between all devices, by the bytes of what each of them has."""
FULL, HALF = 4, 2  # bytes of a number in float32 and in bfloat16


@dataclass(frozen=True)
class Device:
    """What a device takes for each part of an update."""

    product: Callable[[Product], float]
    """Seconds of one matrix product."""
    near: float
    """Bytes a second, of operations on activities."""
    far: float
    """Bytes a second, of operations on weights."""
    call: float
    """Seconds that an operation takes whatever its size."""
    weight: float
    """Seconds of the optimiser for one weight."""


class Habits(NamedTuple):
    """What the code does in an update beside products and optimiser."""

    activity: float
    """Bytes read and written for every activity that is formed."""
    weight: float
    """Bytes read and written for every weight: gradients are set to zero, weights are cast."""
    operations: float
    """Calls of an operation."""


@dataclass(frozen=True)
class Spent:
    """Seconds that a device spends on one update; by level, where a level has a part of its own."""

    forward: Mapping[int, float]
    grad: Mapping[int, float]
    optimiser: Mapping[int, float]
    rest: float
    """Everything that is neither a product nor the optimiser."""

    @property
    def ways(self) -> float:
        """Up to the first gradient product."""
        return self.rest + sum(self.forward.values())

    @property
    def whole(self) -> float:
        return self.ways + sum(self.grad.values()) + sum(self.optimiser.values())

    def times(self, factor: float) -> "Spent":
        """Everything so many times as long."""

        def longer(part: Mapping[int, float]) -> dict[int, float]:
            return {at: seconds * factor for at, seconds in part.items()}

        return Spent(longer(self.forward), longer(self.grad), longer(self.optimiser), self.rest * factor)


def spent(work: Computation, habits: Habits, device: Device) -> Spent:
    """Seconds of one update on one device."""
    by_kind: dict[str, dict[int, float]] = {
        kind: dict.fromkeys(work.weights, 0.0) for kind in ("forward", "grad")
    }
    for product in work.products:
        by_kind[product.kind][product.level] += device.product(product)
    moved = habits.activity * work.formed / device.near
    moved += habits.weight * sum(work.weights.values()) / device.far
    optimiser = {level: count * device.weight for level, count in work.weights.items()}
    return Spent(by_kind["forward"], by_kind["grad"], optimiser, moved + habits.operations * device.call)


def roofline(flops: float, memory: float, itemsize: int, call: float = 0.0) -> Callable[[Product], float]:
    """Seconds of a product on a device of so many flops and bytes a second: what is slower, arithmetic or
    reading both operands and writing the result."""

    def seconds(product: Product) -> float:
        _, _, rows, source, units = product
        numbers = rows * source + source * units + rows * units
        return call + max(product.flops / flops, itemsize * numbers / memory)

    return seconds


def ring(devices: int, bandwidth: float, latency: float) -> Exchange:
    """2 (n − 1) messages of an n-th of the bytes, one after another."""
    return lambda data: 2 * (devices - 1) * (data / devices / bandwidth + latency) if devices > 1 else 0.0


def tree(devices: int, bandwidth: float, latency: float) -> Exchange:
    """All bytes up a binary tree and down again, in pieces that follow one another."""
    return lambda data: 2 * (data / bandwidth + math.log2(devices) * latency) if devices > 1 else 0.0


def half(exchange: Exchange) -> Exchange:
    """A ring's first round, in which every device gets the sum of its part, or its second, in which all get
    all parts."""
    return lambda data: exchange(data) / 2


def two_levels(
    devices: int,
    node: int,
    near: tuple[float, float],
    far: tuple[float, float],
    between_nodes: Callable[[int, float, float], Exchange] = ring,
) -> Exchange:
    """A ring in every node of so many devices, and rings or trees of nodes, each for one device's share.

    `near` and `far` are bandwidth and latency in a node and between nodes.
    """
    if devices <= node:
        return ring(devices, *near)
    inside, between = ring(node, *near), between_nodes(devices // node, *far)
    return lambda data: inside(data) + between(data / node)


def nothing(_data: float) -> float:
    """0."""
    return 0.0


def data_parallel(
    each: Spent,
    weights: Mapping[int, int],
    reduce: Exchange,
    gather: Exchange = nothing,
    shards: int = 1,
    busy: float = 0.0,
    gradient: int = FULL,
) -> float:
    """Seconds of an update whose gradients are summed over devices, each with its share of the cases.

    A layer's gradient travels while the next layer's is computed; one is under way at a time. With `shards`
    every device steps its own part of the weights and `gather` brings them together. `busy` is the share of
    its time in which an exchange keeps the device from products, as it does where both need the same cores.
    A number of a gradient has `gradient` bytes; weights come back in float32.
    """
    computed, travelled = each.ways, 0.0
    for level, count in weights.items():
        computed += each.grad[level]
        taken = reduce(gradient * count)
        travelled = max(computed, travelled) + taken
        computed += busy * taken
    back = gather(FULL * sum(weights.values()))
    return max(computed, travelled) + sum(each.optimiser.values()) / shards + back


def averaging(each: Spent, weights: Mapping[int, int], reduce: Exchange, every: int) -> float:
    """Seconds of an update where devices learn alone and average their weights after every so many."""
    return each.whole + reduce(FULL * sum(weights.values())) / every


def stages(each: Spent, work: Computation, count: int) -> list[Spent]:
    """An update cut into contiguous stages, the slowest as fast as can be; the softmax is in the last.

    What is neither product nor optimiser belongs to levels by their units.
    """
    hidden = range(1, len(work.hidden) + 1)
    if not 1 <= count <= len(hidden):
        raise ValueError(f"expected 1 to {len(hidden)} stages for so many layers, found {count}")
    of_level = {level: part(each, work, range(level, level + 1)).whole for level in hidden}

    def cut(first: int, left: int) -> list[range]:
        """The best parts of the levels from `first` on."""
        if left == 1:
            return [range(first, hidden[-1] + 1)]
        ways = ([range(first, end), *cut(end, left - 1)] for end in range(first + 1, hidden[-1] - left + 3))
        return min(ways, key=lambda parts: max(sum(of_level[level] for level in levels) for levels in parts))

    return [part(each, work, levels) for levels in cut(1, count)]


def part(each: Spent, work: Computation, levels: range) -> Spent:
    """What some of the levels spend, with the softmax if the last hidden level is among them."""
    top = len(work.hidden)
    kept = [*levels, top + 1] if levels[-1] == top else [*levels]
    share = sum(work.hidden[level - 1] for level in levels) / sum(work.hidden)
    forward, grad, optimiser = (
        {level: seconds[level] for level in kept} for seconds in (each.forward, each.grad, each.optimiser)
    )
    return Spent(forward, grad, optimiser, each.rest * share)


def pipeline(parts: list[Spent], message: float, busy: float = 0.0) -> float:
    """Seconds between two updates of a pipeline that never waits: those of its slowest stage or message.

    `message` are the seconds that a batch of activities travels, `busy` the share of them that keeps a device
    from computing.
    """
    slowest = max(stage.whole for stage in parts)
    return max(slowest + busy * message * (len(parts) > 1), message)

"""The local update: the only place where gradients of hidden layers come from."""

from collections.abc import Iterable, Mapping
from functools import reduce
from typing import NamedTuple

import torch
from torch import Tensor

from ffrec.learning.layer import Layer

FEW = 10  # terms that are added one by one


class Step(NamedTuple):
    """One step of a network: what every source sent, and what the layers made of it.

    Tensors have shape `(batch, candidates, units)`; with one candidate where all of them share the value.
    """

    inputs: Mapping[str, Tensor]
    """What each source sent, by name; codes are `(batch, candidates, positions)`, with a batch of one where
    all cases have the same."""
    activities: Mapping[int, Tensor]
    """Of every layer, by level."""
    slopes: Mapping[int, Tensor | None] = {}
    """Of every layer's activation; None or missing for the rectifier."""
    shared: frozenset[str] = frozenset()
    """Sources that send the same for all candidates: δ is summed over these before the product."""
    fixed: frozenset[str] = frozenset()
    """Sources that send the same in all steps of an update: δ is summed over these before the product."""
    number: int = 1
    """Which step it is, counted from 1."""

    @property
    def candidates(self) -> int:
        """How many candidates there are."""
        return max(x.shape[1] for x in (*self.inputs.values(), *self.activities.values()))


class Measured(NamedTuple):
    """What an update measured, averaged over its steps: one number a layer, `(layers,)`."""

    loss: Tensor
    accuracy: Tensor


class Buffers:
    """Equal-shaped tensors laid one after another in memory that is used again at the next update.

    It lets every weight matrix take one large product over several steps instead of one for each.
    """

    def __init__(self) -> None:
        self.slots: dict[str, Tensor] = {}

    def __getstate__(self) -> dict[str, dict[str, Tensor]]:
        """Nothing of the memory goes into a copy or a pickle."""
        return {"slots": {}}

    def slot(self, name: str, index: int, depth: int, like: Tensor) -> Tensor:
        """Slot `index` of the `depth` slots called `name`, each of the shape of `like`."""
        shape = (depth, *like.shape)
        held = self.slots.get(name)
        if held is None or held.shape != shape or held.dtype != like.dtype or held.device != like.device:
            held = self.slots[name] = like.new_empty(shape)
        return held[index]

    def filled(self, name: str) -> Tensor:
        """All slots called `name`, as one tensor `(depth, …)`."""
        return self.slots[name]


def local_update(
    layers: Mapping[int, Layer],
    steps: Iterable[Step],
    target: Tensor,
    count: int = 1,
    buffers: Buffers | None = None,
) -> Measured:
    """Add to every layer's gradients those of its own loss, averaged over `count` steps: closed form, no
    graph.

    With h the activities, xₛ what source s sent, g the goodness and L the objective's mean loss:

        δ = ∂L/∂g · ∂g/∂h · act′,    ∂L/∂Wₛ = Σ xₛᵀ δ,    ∂L/∂b = Σ δ,    sums over cases, candidates, steps

    `target` is what the layers' objectives expect (`Objective`). Nothing travels from layer to layer. There
    is one product for each weight matrix. Source: Hinton 2022 §2.
    """
    buffers = Buffers() if buffers is None else buffers
    found, step = 0, None
    for step in steps:
        if found == count:
            raise ValueError(f"expected {count} steps, found more")
        if count > 1:
            keep(step, layers, found, count, buffers)
        found += 1
    if step is None or found != count:
        raise ValueError(f"expected {count} steps, found {found}")
    sign = mean_sign(layers, target)
    of_candidates = target.is_floating_point() and target.ndim == 1
    targets = target if of_candidates else torch.cat([target] * count)
    activities = {level: of_all_steps(level, step, count, buffers) for level in layers}
    goodness = {level: layer.goodness.value(layer.seen(activities[level])) for level, layer in layers.items()}
    measured = []
    for level, layer in layers.items():
        graded = layer.objective.grade(goodness[level], targets, fixed_goodness(layers, level, goodness))
        if layer.learns:
            weight = graded.grad * layer.exchange.share
            delta = write_delta(layer, level, activities[level], weight, target, step, count, buffers)
            add_products(layer, delta.unflatten(0, (count, -1)), step, sign, buffers)
            layer.follow_goodness(goodness[level].mean(), sign)
            layer.exchange.ready(layer)
        measured.append(torch.stack([graded.loss, graded.accuracy]))
    loss, accuracy = torch.stack(measured, dim=1)
    return Measured(loss, accuracy)


def mean_sign(layers: Mapping[int, Layer], target: Tensor) -> Tensor:
    """The mean sign of an update's candidates, `()`: 0 for both kinds, or where targets are no signs."""
    if not target.is_floating_point():
        return target.new_zeros(())
    several = target.ndim == 1 and len(target) > 2
    if several and any(layer.centring or layer.scaling for layer in layers.values()):
        raise ValueError(f"expected as many negative as positive candidates, found {len(target) - 1} for one")
    return target.mean()


def keep(step: Step, layers: Iterable[int], index: int, count: int, buffers: Buffers) -> None:
    """Copy what an update needs of step `index` beside that of the other steps."""
    for level in layers:
        h, slope = step.activities[level].expand(-1, step.candidates, -1), step.slopes.get(level)
        buffers.slot(f"layer {level}", index, count, h).copy_(h)
        if slope is not None:
            buffers.slot(f"slope {level}", index, count, h).copy_(slope)
    for name, x in step.inputs.items():
        if name not in step.fixed:
            x = x if name in step.shared else x.expand(-1, step.candidates, -1)
            buffers.slot(f"input {name}", index, count, x).copy_(x)


def of_all_steps(level: int, step: Step, count: int, buffers: Buffers) -> Tensor:
    """A layer's activities in all steps, `(steps · batch, candidates, units)`."""
    if count == 1:
        return step.activities[level].expand(-1, step.candidates, -1)
    return buffers.filled(f"layer {level}").flatten(0, 1)


def write_delta(
    layer: Layer,
    level: int,
    h: Tensor,
    weight: Tensor,
    signs: Tensor,
    step: Step,
    count: int,
    buffers: Buffers,
) -> Tensor:
    """A layer's δ, like its activities h `(steps · batch, candidates, units)`, of the weight that each case's
    goodness has; where there are several steps it is written over h."""
    peers = [layer.follow_peers(part, signs) for part in h.chunk(count)] if layer.peer else []
    layer.goodness.add_weight_grad(layer.seen(h), weight)
    out = h if count > 1 else buffers.slot(f"layer {level}", 0, 1, h)
    delta = layer.goodness.write_grad(layer.seen(h), weight, out)
    slope = step.slopes.get(level)
    if slope is not None:
        delta *= slope if count == 1 else buffers.filled(f"slope {level}").flatten(0, 1)
    for part, pull in zip(delta.chunk(count), peers, strict=False):
        part += (pull * layer.exchange.share / weight.numel() * (signs > 0).unsqueeze(-1)).to(part.dtype)
    return delta


def fixed_goodness(layers: Mapping[int, Layer], level: int, goodness: Mapping[int, Tensor]) -> Tensor | float:
    """The goodness of the other layers that a layer's loss sees, `(batch, candidates)`; 0 if none.

    That of the layers below counts from their thresholds: the layer learns what they have left over.
    """
    layer = layers[level]
    others = [at for at in goodness if at < level or (layer.context == "all" and at > level)]
    if layer.context == "own" or not others:
        return 0.0
    found = []
    for at in others:
        whole = goodness[at] if goodness[at].ndim == 2 else goodness[at].mean(2)
        found.append(whole - getattr(layers[at].objective, "threshold", 0.0) * (layer.context == "below"))
    return torch.stack(found).sum(0)


def add_products(layer: Layer, delta: Tensor, step: Step, sign: Tensor, buffers: Buffers) -> None:
    """Turn a layer's δ `(steps, batch, candidates, units)` into gradients: one product for each connection.

    What steps, candidates or cases share meets δ summed over them.
    """
    summed = least = total(delta, 0)
    labels = step.inputs["label"].squeeze(-1) if layer.centring and "label" in layer.sources else None
    for source in layer.sources:
        whole = source not in step.fixed and len(delta) > 1
        x = buffers.filled(f"input {source}") if whole else step.inputs[source]
        of_x = delta if whole else summed
        if labels is not None:
            x = x.expand(*of_x.shape[:-1], -1)
        elif source in step.shared:
            of_x = total(of_x, -2).unsqueeze(-2)
        elif not whole:
            x = x.expand(-1, step.candidates, -1)
        if len(x) < len(of_x):  # one row that all cases share
            of_x = least = of_x.sum(0, keepdim=True)
        of_rows = None if labels is None else labels.expand(of_x.shape[:-1]).flatten()
        layer.add_grads(source, x.flatten(0, -2), of_x.flatten(0, -2), sign, of_rows)
    layer.add_bias_grad(least.flatten(0, 1))


def total(x: Tensor, axis: int) -> Tensor:
    """Σ over an axis: of few terms one by one, which is several times as fast as torch's sum; of many by that
    one, which rounds once."""
    return reduce(torch.add, x.unbind(axis)) if x.shape[axis] <= FEW else x.sum(axis)

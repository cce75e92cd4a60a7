"""The local update: the only place where gradients of hidden layers come from."""

from collections.abc import Iterable, Mapping
from typing import NamedTuple

import torch
from torch import Tensor

from ffrec.learning.layer import Layer


class Step(NamedTuple):
    """One step of a network: what every source sent, and what the layers made of it.

    Tensors have shape `(batch, candidates, units)`; with one candidate where all of them share the value.
    """

    inputs: Mapping[str, Tensor]
    """What each source sent, by name; codes are `(batch, candidates, positions)`."""
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
    measured, step = [], None
    for index, step in enumerate(steps):
        if index == count:
            raise ValueError(f"expected {count} steps, found more")
        measured.append(add_deltas(layers, step, target, index, count, buffers))
        for name, x in step.inputs.items() if count > 1 else ():
            if name not in step.fixed:
                x = x if name in step.shared else x.expand(-1, step.candidates, -1)
                buffers.slot(f"input {name}", index, count, x).copy_(x)
    if step is None or len(measured) != count:
        raise ValueError(f"expected {count} steps, found {len(measured)}")
    loss, accuracy, goodness = torch.stack(measured).mean(0)
    signs = target.is_floating_point()
    if signs and len(target) > 2 and any(layer.centring or layer.scaling for layer in layers.values()):
        raise ValueError(f"expected as many negative as positive candidates, found {len(target) - 1} for one")
    sign = target.mean() if signs else target.new_zeros(())
    for level, mean in zip(layers, goodness, strict=True):
        add_products(layers[level], buffers.filled(f"delta {level}"), step, sign, buffers)
        layers[level].follow_goodness(mean, sign)
        layers[level].exchange.ready(layers[level])
    return Measured(loss, accuracy)


def add_deltas(
    layers: Mapping[int, Layer], step: Step, target: Tensor, index: int, count: int, buffers: Buffers
) -> Tensor:
    """Write every layer's δ of one step into slot `index`; returns loss, accuracy and mean goodness
    `(3, layers)`."""
    activities = {level: step.activities[level].expand(-1, step.candidates, -1) for level in layers}
    goodness = {level: layer.goodness.value(activities[level]) for level, layer in layers.items()}
    columns = []
    for level, layer in layers.items():
        h = activities[level]
        graded = layer.objective.grade(goodness[level], target, fixed_goodness(layers, level, goodness))
        weight = graded.grad * (layer.exchange.share / count)
        delta = layer.goodness.write_grad(h, weight, buffers.slot(f"delta {level}", index, count, h))
        layer.goodness.add_weight_grad(h, weight)
        slope = step.slopes.get(level)
        if slope is not None:
            delta *= slope
        if layer.peer:
            layer.add_peer_grad(h, delta, target, 1 / (goodness[level].numel() * count))
        columns.append(torch.stack([graded.loss, graded.accuracy, goodness[level].mean()]))
    return torch.stack(columns, dim=1)


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

    What steps or candidates share meets δ summed over them.
    """
    summed = delta.sum(0) if len(delta) > 1 else delta[0]  # steps first: with candidates it is far slower
    labels = step.inputs["label"].squeeze(-1) if layer.centring and "label" in layer.sources else None
    for source in layer.sources:
        whole = source not in step.fixed and len(delta) > 1
        x = buffers.filled(f"input {source}") if whole else step.inputs[source]
        of_x = delta if whole else summed
        if labels is not None:
            x = x.expand(*of_x.shape[:-1], -1)
        elif source in step.shared:
            of_x = of_x.sum(-2, keepdim=True)
        elif not whole:
            x = x.expand(-1, step.candidates, -1)
        of_rows = None if labels is None else labels.expand(of_x.shape[:-1]).flatten()
        layer.add_grads(source, x.flatten(0, -2), of_x.flatten(0, -2), sign, of_rows)
    layer.add_bias_grad(summed.flatten(0, 1))

"""The local update of layers that learn from each other."""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from ffrec.learning.agreement.losses import Agreement, direction
from ffrec.learning.arithmetic import wide
from ffrec.learning.layer import Layer
from ffrec.learning.update import Measured, Step

FEW = 100  # cases of a batch whose neighbours are looked for


def agreement_update(
    layers: Mapping[int, Layer],
    pairs: Sequence[tuple[int, int]],
    step: Step,
    target: Tensor,
    agreement: Agreement,
    scores: float = 0.0,
) -> Measured:
    """Add to every layer's gradients those of its pair's loss: closed form, no graph.

    With L the agreement of two layers' activities a and b, and C the loss of a layer's own class scores:

        δ_a = (∂L/∂a + scores · ∂C/∂a) · act′,    ∂/∂W = xᵀ δ_a,    ∂/∂b = Σ δ_a,    likewise for b

    The loss that is returned is L plus the mean of both layers' C. `target` `(batch, classes)` holds the
    probability of every class: cases i and j are of one class with probability target_i · target_j. Nothing
    travels from layer to layer but activities.
    """
    same, measured = target @ target.T, []
    for pair in pairs:
        seen = {number: step.activities[number][:, 0] for number in pair}
        known = {number: h.to(wide(h.dtype)) for number, h in seen.items()}
        a, b = (known[number] for number in pair)
        agreed = agreement.grade(a, b, same.to(a.dtype))
        loss, grads = agreed.loss, {pair[0]: agreed.grad_a}
        grads[pair[1]] = grads[pair[1]] + agreed.grad_b if pair[1] in grads else agreed.grad_b
        for number, grad in grads.items():
            layer = layers[number]
            if scores:
                own, of_scores = class_scores(layer, known[number], target, scores)
                loss, grad = loss + own / len(grads), grad + of_scores
            add_grads(layer, number, step, grad.to(seen[number].dtype))
        measured.append(torch.stack([loss, neighbours(a, b, same)]))
    return Measured(*torch.stack(measured, dim=1))


def class_scores(layer: Layer, h: Tensor, target: Tensor, strength: float) -> tuple[Tensor, Tensor]:
    """The label as a third view: the loss of a layer's class scores, and its gradient by h `(cases, units)`.

    A score is the agreement of h with the code that the layer has learnt for a class. The gradient of the
    codes is added to them.
    """
    graded = layer.objective.grade(layer.goodness.value(h).unsqueeze(1), target)
    weight = strength * graded.grad.squeeze(1)
    layer.goodness.add_weight_grad(h, weight)
    return strength * graded.loss, layer.goodness.grad(h, weight)


def add_grads(layer: Layer, number: int, step: Step, grad: Tensor) -> None:
    """Turn ∂loss/∂h `(cases, units)` into the gradients of a layer's weights and biases."""
    slope, h = step.slopes.get(number), step.activities[number][:, 0]
    delta = grad * (h != 0 if slope is None else slope[:, 0])
    layer.add_grads(layer.sources[0], step.inputs[str(number)][:, 0], delta, delta.new_zeros(()), None)
    layer.add_bias_grad(delta)


def neighbours(a: Tensor, b: Tensor, same: Tensor) -> Tensor:
    """Share of cases whose nearest other case, by the cosine from a to b, is of their class, `()`; among the
    first cases, as that says enough and costs little."""
    cosines = (direction(a[:FEW])[0] @ direction(b[:FEW])[0].T).fill_diagonal_(-2.0)
    nearest = cosines.argmax(1, keepdim=True)
    return (same[:FEW, :FEW].gather(1, nearest) > 0.5).mean(dtype=a.dtype)

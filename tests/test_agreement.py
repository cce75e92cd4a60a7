"""Agreement of two layers: every loss against torch's own or a hand calculation, every gradient against
autograd."""

import math

import pytest
import torch
from torch.nn.functional import cosine_embedding_loss, cosine_similarity

from ffrec import registry
from ffrec.learning.agreement import agreement_update
from ffrec.learning.agreement.losses import Contrast, Cosine, Decorrelation, PairGoodness, Pairs
from ffrec.learning.connection import Dense
from ffrec.learning.layer import Layer
from ffrec.learning.objective import ClassSoftmax
from ffrec.learning.scores import LearntScores
from ffrec.learning.update import Step

KINDS = {
    "cosine": Cosine(1.0, 0.0),
    "pairs": Pairs(1.0, 0.2),
    "contrast": Contrast(4.0, 0.1),
    "goodness": PairGoodness(3.0, 0.4),
    "decorrelation": Decorrelation(1.0, 0.0),
}


@pytest.fixture
def layers_of(generator):
    """Activities `(6, 5)` of two rectified layers in float64, and labels' probabilities `(6, 3)`."""
    a, b = torch.randn(2, 6, 5, generator=generator, dtype=torch.float64)
    target = torch.eye(3, dtype=torch.float64)[[0, 0, 1, 1, 2, 0]]
    return a, b, target


def test_every_agreement_on_the_menu_is_tested():
    assert set(registry.menu("agreement")) == set(KINDS)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("alone", [False, True])
@pytest.mark.parametrize("soft", [False, True])
def test_gradients_equal_autograd(kind, alone, soft, layers_of, generator):
    a, b, target = layers_of
    if soft:
        target = torch.rand(6, 3, generator=generator, dtype=torch.float64).softmax(1)
    same = target @ target.T
    a.requires_grad_()
    b.requires_grad_()
    seen = (a, a) if alone else (a, b)
    found = KINDS[kind].grade(*seen, same)
    wanted = torch.autograd.grad(found.loss, [a] if alone else [a, b])
    if alone:
        torch.testing.assert_close(found.grad_a + found.grad_b, wanted[0])
    else:
        torch.testing.assert_close([found.grad_a, found.grad_b], list(wanted))


def test_cosine_is_torchs_loss_of_positive_pairs(layers_of):
    a, b, target = layers_of
    found = KINDS["cosine"].grade(a, b, target @ target.T)
    torch.testing.assert_close(found.loss, cosine_embedding_loss(a, b, torch.ones(6)))


def test_pairs_are_torchs_losses_of_all_pairs_each_kind_half(layers_of):
    a, b, target = layers_of
    rows, columns = torch.meshgrid(torch.arange(6), torch.arange(6), indexing="ij")
    same = (target @ target.T).flatten() > 0
    every = cosine_embedding_loss(
        a[rows.flatten()],
        b[columns.flatten()],
        torch.where(same, 1.0, -1.0),
        margin=0.2,
        reduction="none",
    )
    found = KINDS["pairs"].grade(a, b, target @ target.T)
    torch.testing.assert_close(found.loss, (every[same].mean() + every[~same].mean()) / 2)


def test_contrast_by_hand(layers_of):
    a, b, target = layers_of
    labels = target.argmax(1).tolist()

    def asked(first, second):
        total = 0.0
        for i in range(6):
            scores = [
                4.0 * (float(cosine_similarity(first[i], second[j], dim=0)) - 0.1 * (labels[i] == labels[j]))
                for j in range(6)
            ]
            log_total = math.log(sum(map(math.exp, scores)))
            alike = [j for j in range(6) if labels[j] == labels[i]]
            total += sum(log_total - scores[j] for j in alike) / len(alike) / 6
        return total

    found = KINDS["contrast"].grade(a, b, target @ target.T)
    assert float(found.loss) == pytest.approx((asked(a, b) + asked(b, a)) / 2)


@pytest.mark.parametrize("kind", KINDS)
def test_a_batch_of_one_case_teaches_numbers(kind, generator):
    """A case that is alone in a batch has no pair: the last batch of an epoch may be so."""
    a, same = torch.rand(1, 5, generator=generator), torch.ones(1, 1)
    assert all(found.isfinite().all() for found in KINDS[kind].grade(a, a, same))
    if kind != "decorrelation":
        assert not (KINDS[kind].grade(a, a, same).grad_a.abs() > 1e-6).any()


def test_contrast_of_a_layer_with_itself_leaves_a_case_and_lonely_ones_out(layers_of):
    a, _, target = layers_of
    found = KINDS["contrast"].grade(a, a, target @ target.T)
    assert found.loss.isfinite()
    swapped = a.clone()
    swapped[4] *= 3  # the only case of its class: a length is not a direction
    torch.testing.assert_close(KINDS["contrast"].grade(swapped, swapped, target @ target.T).loss, found.loss)
    u = a / a.norm(dim=1, keepdim=True)
    logits = 4.0 * (u @ u.T - 0.1 * target @ target.T).fill_diagonal_(-math.inf)
    log_p, alike = logits.log_softmax(1), (target @ target.T).fill_diagonal_(0)
    by_hand = [-log_p[i][alike[i] > 0].mean() for i in (0, 1, 2, 3, 5)]
    torch.testing.assert_close(found.loss, sum(by_hand) / 6)
    two = torch.eye(2, dtype=torch.float64)  # neither case has another of its class: nothing to learn
    pair = a[:2]
    alone = KINDS["contrast"].grade(pair, pair, two)
    assert float(alone.loss) == 0
    assert not alone.grad_a.any()


def test_goodness_of_pairs_by_hand():
    a, b = torch.tensor([[2.0, 0.0], [0.0, 2.0]]), torch.tensor([[1.0, 1.0], [0.0, 3.0]])
    found = PairGoodness(1.0, 1.0).grade(a, b, torch.eye(2))  # goodness 1, 0; 1, 3
    near = math.log(2) + math.log1p(math.exp(-2))
    far = math.log1p(math.exp(-1)) + math.log(2)
    assert float(found.loss) == pytest.approx(near / 4 + far / 4)


def test_decorrelation_is_zero_for_equal_units_that_are_not_correlated():
    a = torch.tensor([[1.0, 1.0], [1.0, -1.0], [-1.0, 1.0], [-1.0, -1.0]], dtype=torch.float64)
    agreement = KINDS["decorrelation"]
    assert float(agreement.grade(a, 3 * a + 2, torch.eye(4)).loss) == pytest.approx(0)
    doubled = a[:, :1].expand(-1, 2)  # two units that say the same: off the diagonal 1, weighed by a half
    assert float(agreement.grade(doubled, doubled.clone(), torch.eye(4)).loss) == pytest.approx(0.5)


@pytest.mark.parametrize("kind", KINDS)
def test_dead_layers_learn_nothing_and_poison_nothing(kind, layers_of):
    _, b, target = layers_of
    dead = torch.zeros_like(b)
    found = KINDS[kind].grade(dead, b, target @ target.T)
    assert all(part.isfinite().all() for part in found)
    if kind != "goodness":
        assert found.grad_b.abs().max() < 1e-6


def student(total):
    return torch.log1p(total.square()), 2 * total / (1 + total.square())


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("bent", [False, True])
@pytest.mark.parametrize("scores", [0.0, 0.7])
def test_the_update_of_a_pair_of_layers_equals_autograd(kind, bent, scores, generator):
    activation = {"activation": student} if bent else {}
    layers = {}
    for number in (1, 2):
        goodness = LearntScores(5, 3, generator)
        layer = Layer({"below": Dense(4, 5, generator)}, goodness, ClassSoftmax(1.0), **activation)
        layers[number] = layer.double()
        layer.bias.normal_(0, 0.5, generator=generator)
    x = torch.randn(2, 6, 1, 4, generator=generator, dtype=torch.float64)
    target = torch.rand(6, 3, generator=generator, dtype=torch.float64).softmax(1)
    inputs = {"1": x[0], "2": x[1]}
    passed = {
        n: layer.activation(layer.add_input("below", inputs[str(n)], layer.unit_bias()))
        for n, layer in layers.items()
    }
    step = Step(
        inputs, {n: h for n, (h, _) in passed.items()}, {n: slope for n, (_, slope) in passed.items()}
    )
    measured = agreement_update(layers, [(1, 2)], step, target, KINDS[kind], scores)
    parameters = [(n, name, p) for n, layer in layers.items() for name, p in layer.named_parameters()]
    found = {(n, name): p.grad for n, name, p in parameters}
    for _, _, p in parameters:
        p.grad = None
        p.requires_grad_()
    h = {n: layer(inputs[str(n)])[:, 0] for n, layer in layers.items()}
    loss = KINDS[kind].grade(h[1], h[2], target @ target.T).loss
    for n, layer in layers.items() if scores else ():
        log_p = layer.goodness.value(h[n]).log_softmax(1)
        loss = loss - scores * (target * log_p).sum(1).mean()
    torch.autograd.backward(loss)
    for n, name, p in parameters:
        assert (p.grad is None) == (found[n, name] is None) == (not scores and "goodness" in name)
        if p.grad is not None:
            torch.testing.assert_close(found[n, name], p.grad)
    assert measured.accuracy.shape == (1,)
    agreed = KINDS[kind].grade(h[1], h[2], target @ target.T).loss
    torch.testing.assert_close(measured.loss[0], ((loss + agreed) / 2).detach())  # the scores' mean, not sum


def test_neighbours_are_other_cases():
    layers = {n: Layer({"below": Dense(2, 2, torch.Generator())}) for n in (1, 2)}
    h = torch.tensor([[1.0, 0.0], [1.0, 0.1], [0.0, 1.0], [0.1, 1.0]]).unsqueeze(1)
    step = Step({"1": h, "2": h}, {1: h, 2: h})
    for labels, right in (([0, 0, 1, 1], 1.0), ([0, 1, 0, 1], 0.0), ([0, 0, 0, 1], 0.5)):
        target = torch.eye(2)[labels]
        found = agreement_update(layers, [(1, 2)], step, target, KINDS["cosine"])
        assert float(found.accuracy) == right

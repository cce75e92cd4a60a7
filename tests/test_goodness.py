"""Goodness and objectives: values by hand, gradients against autograd, for every entry of the menus."""

import math

import pytest
import torch

from ffrec import registry
from ffrec.baselines.reference import check_goodness
from ffrec.learning.goodness import Blocks, Goodness, MeanActivity, MeanSquare, Minus, Places, normalise
from ffrec.learning.objective import CandidateSoftmax, ClassSoftmax, Logistic, Objective, Pairwise
from ffrec.learning.scores import LearntScores, Prototypes, RandomScores

UNITS, CLASSES = 12, 4
GOODNESS = dict(registry.menu("goodness"))
OBJECTIVES = dict(registry.menu("objective"))


def make_goodness(name, generator, inside="whole"):
    """An entry of the menu for twelve units, alone, as its negative, or for parts of a layer."""
    wrap = {
        "whole": lambda whole: whole,
        "minus": Minus,
        "blocks": lambda whole: Blocks(whole, 3),
        "blocks of maps": lambda whole: Blocks(whole, 2, places=3),
        "places": lambda whole: Places(whole, 3),
        "minus of blocks": lambda whole: Minus(Blocks(whole, 3)),
        "blocks of minus": lambda whole: Blocks(Minus(whole), 3),
    }[inside]
    made = wrap(GOODNESS[name].for_layer(UNITS, CLASSES, generator))
    return made.double() if isinstance(made, torch.nn.Module) else made


INSIDE = ["whole", "minus", "blocks", "blocks of maps", "places", "minus of blocks", "blocks of minus"]
CHOICES = [
    (name, inside)
    for name in GOODNESS
    for inside in INSIDE
    if name not in ("scores", "random-scores", "prototypes")
    or inside in ("whole", "minus")  # scores are parts already
]


def test_goodness_by_hand():
    h = torch.tensor([[1.0, 2.0, 0.0, 3.0]])
    assert MeanSquare().value(h).item() == pytest.approx(14 / 4)
    assert MeanActivity().value(h).item() == pytest.approx(6 / 4)
    assert Minus(MeanSquare()).value(h).item() == pytest.approx(-14 / 4)
    assert Blocks(Minus(MeanSquare()), 2).value(h).tolist() == [[-2.5, -4.5]]
    assert Places(MeanSquare(), 2).value(h).tolist() == [[2.5, 4.5]]  # two places of two channels
    assert Blocks(MeanSquare(), 2, places=2).value(h).tolist() == [[0.5, 6.5]]  # a channel a block


def test_scores_by_hand(generator):
    scores = LearntScores(4, 2, generator)
    scores.weight.copy_(torch.tensor([[1.0, 0.0], [0.0, 1.0], [5.0, 5.0], [1.0, -1.0]]))
    h = torch.tensor([[1.0, 2.0, 0.0, 3.0]])
    size = 3.5**0.5
    torch.testing.assert_close(scores.value(h), torch.tensor([[4.0, -1.0]]) / size)


def test_prototypes_score_by_the_cosine(generator):
    prototypes = Prototypes(4, 2, generator)
    prototypes.weight.copy_(torch.tensor([[3.0, 0.0], [0.0, 2.0], [4.0, 0.0], [0.0, 0.0]]))
    h = torch.tensor([[1.0, 2.0, 0.0, 3.0]])
    torch.testing.assert_close(prototypes.value(h), torch.tensor([[3 / 5, 2.0]]) / 14**0.5)


@pytest.mark.parametrize("name", ["scores", "random-scores"])
def test_scores_start_at_the_size_of_a_unit_normal(name, generator):
    scores = GOODNESS[name].for_layer(2000, 50, generator)
    assert scores.weight.shape == (2000, 50)
    assert scores.value(torch.rand(20, 2000, generator=generator)).std().item() == pytest.approx(1, abs=0.1)


def test_only_learnt_scores_have_a_parameter(generator):
    for made in (LearntScores(6, 2, generator), RandomScores(6, 2, generator)):
        assert len(list(made.parameters())) == isinstance(made, LearntScores)
        assert list(made.state_dict()) == ["weight"]
    assert [name for name, _ in Minus(LearntScores(6, 2, generator)).named_parameters()] == ["whole.weight"]


@pytest.mark.parametrize(("name", "inside"), CHOICES)
@pytest.mark.parametrize("given", [False, True])
def test_grad_is_the_gradient_of_the_value(name, inside, given, generator):
    goodness = make_goodness(name, generator, inside)
    h = torch.randn(3, 2, UNITS, generator=generator, dtype=torch.float64).relu().requires_grad_()
    value = goodness.value(h)
    weight = torch.randn(value.shape, generator=generator, dtype=torch.float64)
    (value * weight).sum().backward()
    h, expected = h.detach(), h.grad * (h > 0)  # at 0 the rectifier is off
    if given:
        out = torch.full_like(h, 7.0)
        torch.testing.assert_close(goodness.write_grad(h, weight, out), expected)
        torch.testing.assert_close(out, expected)
    else:
        torch.testing.assert_close(goodness.grad(h, weight) * (h > 0), expected)
        assert not goodness.grad(h, weight)[h == 0].any()


@pytest.mark.parametrize(("name", "inside"), CHOICES)
def test_gradients_of_its_parameters_are_those_of_autograd(name, inside, generator):
    goodness = make_goodness(name, generator, inside)
    parameters = list(goodness.parameters()) if isinstance(goodness, torch.nn.Module) else []
    assert parameters or name not in ("scores", "prototypes")
    h = torch.rand(3, 2, UNITS, generator=generator, dtype=torch.float64)
    for parameter in parameters:
        weight = torch.randn(goodness.value(h).shape, generator=generator, dtype=torch.float64)
        for _ in range(2):  # they add up
            goodness.add_weight_grad(h, weight)
        local = parameter.grad.clone()
        parameter.grad = None
        parameter.requires_grad_()
        (goodness.value(h) * weight).sum().backward()
        torch.testing.assert_close(local, 2 * parameter.grad)


@pytest.mark.parametrize(("name", "inside"), CHOICES)
def test_what_is_sent_on_says_nothing_of_goodness(name, inside, generator):
    goodness = make_goodness(name, generator, inside)
    h = torch.rand(5, 2, UNITS, generator=generator, dtype=torch.float64)
    sent = goodness.normalise(h)
    torch.testing.assert_close(goodness.normalise(7 * h), sent)
    torch.testing.assert_close(goodness.norm(sent), torch.ones_like(goodness.norm(sent)))
    if name in ("squares", "activities"):
        value = goodness.value(sent)
        value = value.mean(-1) if value.ndim == 3 else value
        torch.testing.assert_close(value.abs(), torch.ones(5, 2, dtype=torch.float64))
    assert torch.equal(goodness.normalise(0 * h), 0 * h)


def test_blocks_are_normalised_as_a_whole_and_places_one_by_one(generator):
    h = torch.rand(5, UNITS, generator=generator)
    torch.testing.assert_close(Blocks(MeanSquare(), 3).normalise(h), normalise(h))
    maps = Places(MeanSquare(), 3).normalise(h).view(5, 3, 4)  # three places of four channels
    torch.testing.assert_close(maps.square().mean(2), torch.ones(5, 3))
    torch.testing.assert_close(Places(MeanSquare(), 3).norm(h), h.view(5, 3, 4).square().mean(2).sqrt())
    torch.testing.assert_close(Blocks(MeanSquare(), 3).norm(h), h.square().mean(1).sqrt())


def test_logistic_by_hand():
    logistic = Logistic(threshold=1.0, sharpness=2.0)
    p = 1 / (1 + math.exp(-2 * (1.7 - 1.0)))
    goodness = torch.tensor([[1.7, 1.7]])
    loss = logistic.loss(goodness, torch.tensor([1.0, -1.0]))
    torch.testing.assert_close(loss, -torch.tensor([[math.log(p), math.log(1 - p)]]))


def test_pairwise_by_hand():
    goodness = torch.tensor([[1.7, 1.2, 2.0]])
    loss = Pairwise(2.0).loss(goodness, torch.tensor([1.0, -1.0, -1.0]))
    expected = [math.log(1 + math.exp(-2 * 0.5)), math.log(1 + math.exp(2 * 0.3))]
    torch.testing.assert_close(loss, torch.tensor([expected]))


def test_softmax_by_hand():
    goodness = torch.tensor([[1.7, 1.2, 2.0]])
    powers = [math.exp(2 * g) for g in (1.7, 1.2, 2.0)]
    loss = CandidateSoftmax(2.0).loss(goodness, torch.tensor([1]))
    assert loss.item() == pytest.approx(-math.log(powers[1] / sum(powers)), rel=1e-5)


def target_of(objective: Objective, cases: int, candidates: int, generator) -> torch.Tensor:
    if objective.target == "places":
        return torch.randint(candidates, (cases,), generator=generator)
    return torch.tensor([1.0] + [-1.0] * (candidates - 1), dtype=torch.float64)


@pytest.mark.parametrize("name", OBJECTIVES)
@pytest.mark.parametrize("candidates", [1, 2, 4])
def test_grad_of_an_objective_is_the_gradient_of_its_loss(name, candidates, generator):
    if name == "pairwise" and candidates == 1:
        pytest.skip("pairwise compares a positive candidate with negative ones")
    objective = OBJECTIVES[name].for_layer(0.3, 4.0)
    goodness = torch.randn(6, candidates, generator=generator, dtype=torch.float64, requires_grad=True)
    target = target_of(objective, 6, candidates, generator)
    objective.loss(goodness, target).sum().backward()
    torch.testing.assert_close(objective.grad(goodness.detach(), target), goodness.grad)


@pytest.mark.parametrize("name", OBJECTIVES)
@pytest.mark.parametrize("fixed", [False, True])
@pytest.mark.parametrize("parts", [None, 1, 3])
def test_a_grade_is_the_mean_loss_and_its_gradient(name, fixed, parts, generator):
    objective = OBJECTIVES[name].for_layer(0.3, 4.0)
    by_part = objective.compete == "parts"
    if by_part and parts is None:
        pytest.skip("classes compete as parts of a layer")
    shape = (6, 3) if parts is None else (6, 3, parts)
    goodness = torch.randn(shape, generator=generator, dtype=torch.float64, requires_grad=True)
    others = torch.randn(6, 3, generator=generator, dtype=torch.float64) if fixed else 0.0
    target = target_of(objective, 18 if by_part else 6, parts if by_part else 3, generator)
    graded = objective.grade(goodness, target, others)
    graded.loss.backward()
    torch.testing.assert_close(graded.grad.detach(), goodness.grad)
    with torch.no_grad():
        losses = []  # one part after another
        for part in [goodness] if parts is None else goodness.unbind(2):
            losses.append(objective.loss(part + others, target) if not by_part else part)
        if by_part:  # what others have is the same for every class: it changes nothing
            losses = [objective.loss(goodness.flatten(0, 1), target)]
        torch.testing.assert_close(graded.loss, torch.stack(losses).mean())


def test_a_pair_without_a_negative_is_refused():
    with pytest.raises(ValueError, match="pairwise: expected a positive and at least one negative"):
        Pairwise(1.0).grade(torch.ones(3, 1), torch.ones(1))


GOODNESS_OF = torch.tensor([[2.0, 1.0, 0.5], [1.0, 3.0, 0.5], [0.2, 0.1, 0.3], [5.0, 4.0, 4.5]])


@pytest.mark.parametrize(
    ("objective", "goodness", "target", "expected"),
    [
        (Logistic(1.5, 1.0), GOODNESS_OF[:, :1], torch.ones(1), 2 / 4),  # above the threshold
        (Logistic(1.5, 1.0), GOODNESS_OF[:, :1], -torch.ones(1), 2 / 4),
        (Logistic(0.5, 1.0), GOODNESS_OF[:, :1], -torch.ones(1), 1 / 4),
        (Logistic(9.0, 1.0), GOODNESS_OF, torch.tensor([1.0, -1.0, -1.0]), 6 / 8),  # below the positive one
        (Pairwise(1.0), GOODNESS_OF[:, :2], torch.tensor([1.0, -1.0]), 3 / 4),
        (CandidateSoftmax(1.0), GOODNESS_OF, torch.tensor([0, 1, 2, 1]), 3 / 4),
        (ClassSoftmax(1.0), GOODNESS_OF.unsqueeze(1), torch.tensor([0, 1, 0, 1]), 2 / 4),
    ],
)
def test_accuracy_by_hand(objective, goodness, target, expected):
    assert objective.grade(goodness, target).accuracy == pytest.approx(expected)


def test_accuracy_of_blocks_is_that_of_their_mean():
    goodness = torch.tensor([[[3.0, 0.0], [1.0, 1.0]], [[0.0, 0.0], [1.0, -4.0]]])  # means 1.5 > 1, 0 > −1.5
    assert Pairwise(1.0).grade(goodness, torch.tensor([1.0, -1.0])).accuracy == 1
    places = torch.tensor([0, 1])
    assert CandidateSoftmax(1.0).grade(goodness, places).accuracy == 0.5


def test_a_silent_layer_is_right_about_nothing():
    goodness, places = torch.zeros(4, 3), torch.tensor([0, 1, 2, 0])
    assert OBJECTIVES["candidates"].for_layer(0.0, 3.0).accuracy(goodness, places) == 0
    right = torch.nn.functional.one_hot(places, 3).float()
    for lower in (0.0, 5.0):  # goodness may be negative
        assert OBJECTIVES["candidates"].for_layer(0.0, 3.0).accuracy(right - lower, places) == 1


def test_a_goodness_with_a_wrong_derivative_is_found_out():
    class Right(Goodness):
        def value(self, h):
            return h.pow(3).mean(-1)

        def grad(self, h, weight):
            return 3 * h.square() * (weight / h.shape[-1]).unsqueeze(-1)

        def norm(self, h):
            return h.mean(-1)

    class Wrong(Right):
        def grad(self, h, weight):
            return -super().grad(h, weight)

    class Restless(Right):
        def grad(self, h, weight):
            return super().grad(h, weight) + 1

    check_goodness(Right())
    with pytest.raises(ValueError, match="one that differs by"):
        check_goodness(Wrong())
    with pytest.raises(ValueError, match="0 where h is 0"):
        check_goodness(Restless())

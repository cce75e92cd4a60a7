"""Layers: normalisation, what a source sends, peer normalisation, and the softmax read-out."""

import pytest
import torch

from ffrec.config import JudgeConfig
from ffrec.learning.connection import Full
from ffrec.learning.goodness import Logistic, Squares
from ffrec.learning.layer import Layer, Readout, label_means, normalise


def make_layer(generator, labels=0, **fields):
    config = JudgeConfig(hidden=(6,), sharpness=3.0, **fields)
    wiring = {"0": Full(4, 6), "2": Full(3, 6)} | ({"label": Full(labels, 6)} if labels else {})
    logistic = Logistic(*config.thresholds, *config.sharpnesses)
    return Layer(wiring, Squares(config.sign), logistic, config, generator).double()


@pytest.mark.parametrize("fields", [{"threshold": 1.5}, {"objective": "min", "threshold": -3.0}])
def test_scaling_brings_the_mean_goodness_back_to_the_threshold(generator, fields):
    layer = make_layer(generator, scaling=1.0, **fields)
    layer.bias.normal_(0, 0.3, generator=generator)
    x = torch.randn(50, 2, 4, generator=generator, dtype=torch.float64)

    def mean_goodness():
        h = layer.send("0", x, layer.bias).relu()
        goodness = layer.goodness.value(h)
        layer.note(goodness.mean(), torch.tensor([1.0, -1.0]))
        return goodness.mean()

    before, heading = mean_goodness(), normalise(layer.weights["2"])
    for _ in range(5):  # a factor of two a time at most
        layer.rescale()
        after = mean_goodness()
    assert before != pytest.approx(fields["threshold"], rel=0.2)
    assert after == pytest.approx(fields["threshold"])
    torch.testing.assert_close(normalise(layer.weights["2"]), heading)


def test_one_scaling_is_a_share_of_the_way(generator):
    layer = make_layer(generator, scaling=0.1)
    layer.goodness_midpoint.now.fill_(1.5)
    before = layer.weights["0"].clone()
    layer.rescale()
    torch.testing.assert_close(layer.weights["0"], before * 1.5**-0.05)
    layer.goodness_midpoint.now.fill_(100.0)
    layer.rescale()
    torch.testing.assert_close(layer.weights["0"], before * 3.0**-0.05)
    layer.goodness_midpoint.now.fill_(0.0)  # all units are off: larger weights would wake none
    layer.rescale()
    torch.testing.assert_close(layer.weights["0"], before * 3.0**-0.05)


def test_centred_inputs_count_from_the_midpoint(generator):
    layer = make_layer(generator, centring=True)
    x = torch.randn(7, 4, generator=generator, dtype=torch.float64)
    delta = torch.randn(7, 6, generator=generator, dtype=torch.float64)
    layer.clear()
    for correct in (torch.ones(1), -torch.ones(1)):  # by night, all inputs are one smaller
        layer.clear()
        layer.accumulate("0", x + correct.clamp_max(0), delta, correct, 0.5)
    gap = 0.2  # of the one, by the first batch of the first night
    torch.testing.assert_close(layer.weights["0"].grad, -0.5 * (x - x.mean(0) - gap / 2).T @ delta)
    layer.accumulate_bias(delta, 0.5)
    assert not layer.bias.grad.any()


def test_the_mean_of_a_label_that_no_case_has_is_the_one_that_is_known():
    x = torch.tensor([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]])
    found, seen = label_means(x, torch.tensor([2, 0, 2]), torch.full((3, 2), 9.0))
    assert found.tolist() == [[3, 4], [9, 9], [3, 4]]
    assert seen.flatten().tolist() == [True, False, True]


def test_a_label_that_is_not_seen_keeps_its_midpoint(generator):
    layer = make_layer(generator, centring=True, labels=2)
    midpoint = layer.source_midpoints["0"]
    midpoint.gap.fill_(5.0)
    for correct in (torch.ones(1), -torch.ones(1)):  # a night without the second label
        x, labels = torch.ones(3, 4, dtype=torch.float64), torch.tensor([0, 0, 1])
        rows = x + labels[:, None]
        if correct < 0:
            rows, labels = x - 1, torch.zeros(3, dtype=torch.long)
        delta = torch.randn(3, 6, generator=generator, dtype=torch.float64)
        layer.clear()
        layer.accumulate("0", rows, delta, correct, 1.0, labels)
    assert midpoint.recent[1].tolist() == [2] * 4
    assert midpoint.gap[1].tolist() == [5] * 4
    torch.testing.assert_close(midpoint.gap[0], torch.full((4,), 4.2, dtype=torch.float64))  # its cases: 1, 0
    with pytest.raises(AssertionError, match="labels"):
        layer.accumulate("0", rows, delta, correct, 1.0)


def test_normalised_activity_has_unit_mean_square(generator):
    x = normalise(torch.rand(8, 2, 50, generator=generator))
    torch.testing.assert_close(x.square().mean(-1), torch.ones(8, 2))


@pytest.mark.parametrize("scale", [1e-3, 1.0, 1e4])
def test_normalisation_is_scale_invariant(scale, generator):
    h = torch.rand(8, 50, generator=generator, dtype=torch.float64)
    torch.testing.assert_close(normalise(scale * h), normalise(h))


def test_normalisation_of_silence_is_finite_silence():
    assert torch.equal(normalise(torch.zeros(2, 5)), torch.zeros(2, 5))


@pytest.mark.parametrize(("rows", "candidates", "wider"), [(5, 2, 2), (5, 1, 2), (5, 2, 1)])
def test_a_source_adds_its_weighted_activity(rows, candidates, wider, generator):
    layer = make_layer(generator)
    x = torch.rand(rows, candidates, 4, generator=generator, dtype=torch.float64)
    onto = torch.rand(rows, wider, 6, generator=generator, dtype=torch.float64)
    before = onto.clone()
    expected = onto + torch.einsum("bki,io->bko", x, layer.weights["0"])
    torch.testing.assert_close(layer.send("0", x, onto), expected)
    assert torch.equal(onto, before)


def test_delta_is_the_gradient_of_log_p_correct_at_the_total_input(generator):
    layer = make_layer(generator)
    total = torch.randn(5, 2, 6, generator=generator, dtype=torch.float64, requires_grad=True)
    correct = torch.tensor([1.0, -1.0], dtype=torch.float64)
    h = total.relu()
    layer.logistic.log_p_correct(layer.goodness.value(h), correct).sum().backward()
    h = h.detach()
    torch.testing.assert_close(layer.delta(h, layer.goodness.value(h), correct), total.grad)


def test_peer_normalisation_wakes_dead_units_with_positive_cases_only(generator):
    layer, plain = make_layer(generator, peer=0.5), make_layer(generator)
    h = torch.rand(5, 2, 6, generator=generator, dtype=torch.float64)
    h[..., 0] = 0  # dead
    correct = torch.tensor([1.0, -1.0], dtype=torch.float64)
    goodness = layer.goodness.value(h)
    pulled = layer.delta(h, goodness, correct) - plain.delta(h, goodness, correct)
    mean = 0.9 * 0.5 + 0.1 * h[:, 0].mean(0)  # running means start at 0.5 and keep 0.9 an update
    expected = 0.5 * (mean.mean() - mean)
    torch.testing.assert_close(pulled[:, 0], expected.expand(5, 6))
    assert pulled[:, 0, 0].min() > 0
    assert torch.equal(pulled[:, 1], torch.zeros(5, 6, dtype=torch.float64))


def test_readout_gradient_equals_autograd(generator):
    readout = Readout(7, 3).double()
    readout.weight.normal_(generator=generator)
    x = torch.rand(6, 7, generator=generator, dtype=torch.float64)
    labels = torch.randint(3, (6,), generator=generator)
    loss = readout.learn(x, readout(x), labels)
    local = readout.weight.grad.clone(), readout.bias.grad.clone()
    readout.zero_grad()
    readout.requires_grad_()
    expected = torch.nn.functional.cross_entropy(readout(x), labels)
    expected.backward()
    torch.testing.assert_close(loss, expected.detach())
    torch.testing.assert_close(local, (readout.weight.grad, readout.bias.grad))

"""Layers: what they are sent, normalisation, peer normalisation, centring, scaling, and the softmax."""

import copy

import pytest
import torch

from ffrec.learning.connection import Codes, Dense
from ffrec.learning.goodness import MeanSquare, Minus, normalise
from ffrec.learning.layer import Layer, label_means
from ffrec.learning.objective import Logistic
from ffrec.learning.transform import Pool
from ffrec.learning.update import Step, local_update
from ffrec.networks.readout import Readout

SIGNS = torch.tensor([1.0, -1.0], dtype=torch.float64)


def make_layer(generator, labels=0, threshold=1.0, **fields):
    connections = {"0": Dense(4, 6, generator), "2": Dense(3, 6, generator)}
    if labels:
        connections["label"] = Codes(labels, 6, generator)
    return Layer(connections, objective=Logistic(threshold, 3.0), **fields).double()


@pytest.mark.parametrize(("goodness", "threshold"), [(MeanSquare(), 1.5), (Minus(MeanSquare()), -3.0)])
def test_scaling_brings_the_mean_goodness_back_to_the_threshold(generator, goodness, threshold):
    layer = make_layer(generator, scaling=1.0, goodness=goodness, threshold=threshold)
    layer.bias.normal_(0, 0.3, generator=generator)
    x = torch.randn(50, 2, 4, generator=generator, dtype=torch.float64)

    def mean_goodness():
        h = layer.add_input("0", x, layer.bias).relu()
        found = layer.goodness.value(h).mean()
        layer.follow_goodness(found, torch.tensor(0.0))
        return found

    before, heading = mean_goodness(), normalise(layer.connection("2").weight)
    for _ in range(5):  # a factor of two a time at most
        layer.rescale()
        after = mean_goodness()
    assert before != pytest.approx(threshold, rel=0.2)
    assert after == pytest.approx(threshold)
    torch.testing.assert_close(normalise(layer.connection("2").weight), heading)


def test_one_scaling_is_a_share_of_the_way(generator):
    layer = make_layer(generator, scaling=0.1)
    layer.goodness_midpoint.now.fill_(1.5)
    before = layer.connection("0").weight.clone()
    layer.rescale()
    torch.testing.assert_close(layer.connection("0").weight, before * 1.5**-0.05)
    layer.goodness_midpoint.now.fill_(100.0)
    layer.rescale()
    torch.testing.assert_close(layer.connection("0").weight, before * 3.0**-0.05)
    layer.goodness_midpoint.now.fill_(0.0)  # all units are off: larger weights would wake none
    layer.rescale()
    torch.testing.assert_close(layer.connection("0").weight, before * 3.0**-0.05)


def test_centred_inputs_count_from_the_midpoint(generator):
    layer = make_layer(generator, centring=True)
    x = torch.randn(7, 4, generator=generator, dtype=torch.float64)
    delta = torch.randn(7, 6, generator=generator, dtype=torch.float64)
    for sign in (1.0, -1.0):  # in the sleep phase, all inputs are one smaller
        layer.zero_grad()
        layer.add_grads("0", x + min(sign, 0.0), delta, torch.tensor(sign), None)
    gap = 0.2  # of the one, by the first batch of the first sleep phase
    torch.testing.assert_close(layer.connection("0").weight.grad, (x - x.mean(0) - gap / 2).T @ delta)
    layer.add_bias_grad(delta)
    assert not layer.bias.grad.any()


def test_the_mean_of_a_label_that_no_case_has_is_the_one_that_is_known():
    x = torch.tensor([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]])
    found, seen = label_means(x, torch.tensor([2, 0, 2]), torch.full((3, 2), 9.0))
    assert found.tolist() == [[3, 4], [9, 9], [3, 4]]
    assert seen.flatten().tolist() == [True, False, True]


def test_a_label_that_no_case_has_keeps_its_midpoint(generator):
    layer = make_layer(generator, centring=True, labels=2)
    midpoint = layer.source_midpoints["0"]
    midpoint.gap.fill_(5.0)
    for sign in (1.0, -1.0):  # a sleep phase without the second label
        x, labels = torch.ones(3, 4, dtype=torch.float64), torch.tensor([0, 0, 1])
        rows = x + labels[:, None]
        if sign < 0:
            rows, labels = x - 1, torch.zeros(3, dtype=torch.long)
        delta = torch.randn(3, 6, generator=generator, dtype=torch.float64)
        layer.zero_grad()
        layer.add_grads("0", rows, delta, torch.tensor(sign), labels)
    assert midpoint.recent[1].tolist() == [2] * 4
    assert midpoint.gap[1].tolist() == [5] * 4
    torch.testing.assert_close(midpoint.gap[0], torch.full((4,), 4.2, dtype=torch.float64))  # its cases: 1, 0
    with pytest.raises(ValueError, match="0: expected a label for every case, found none"):
        layer.add_grads("0", rows, delta, torch.tensor(sign), None)


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
    expected = onto + torch.einsum("bki,io->bko", x, layer.connection("0").weight)
    torch.testing.assert_close(layer.add_input("0", x, onto), expected)
    assert torch.equal(onto, before)


def test_activities_are_those_of_all_sources_together(generator):
    layer = make_layer(generator, labels=5)
    layer.bias.normal_(generator=generator)
    x = {s: torch.randn(7, n, generator=generator, dtype=torch.float64) for s, n in (("0", 4), ("2", 3))}
    labels = torch.randint(5, (7, 1), generator=generator)
    total = x["0"] @ layer.connection("0").weight + x["2"] @ layer.connection("2").weight + layer.bias
    total = total + 5**0.5 * layer.connection("label").weight[labels.squeeze(1)]
    torch.testing.assert_close(layer(x | {"label": labels}), total.clamp_min(0))
    alone = Layer({"0": layer.connection("0")}).double()
    torch.testing.assert_close(alone(x["0"]), (x["0"] @ layer.connection("0").weight).clamp_min(0))


def test_a_layer_sends_its_normalised_activities_transformed(generator):
    h = torch.rand(3, 2, 16, generator=generator)
    plain = Layer({"0": Dense(4, 16, generator)})
    pooled = Layer({"0": Dense(4, 16, generator)}, transform=Pool((1, 4, 4), 2))
    torch.testing.assert_close(plain.send(h), normalise(h))
    torch.testing.assert_close(pooled.send(h), Pool((1, 4, 4), 2)(normalise(h)))


def test_delta_is_the_gradient_of_the_loss_at_the_total_input(generator):
    layer = make_layer(generator)
    total = torch.randn(5, 2, 6, generator=generator, dtype=torch.float64, requires_grad=True)
    h = total.relu()
    p = torch.sigmoid(3.0 * (h.square().mean(-1) - 1.0))
    loss = -(p[:, 0].log() + (1 - p[:, 1]).log()).sum() / 10
    loss.backward()
    inputs = {s: torch.zeros(5, 2, n, dtype=torch.float64) for s, n in (("0", 4), ("2", 3))}
    inputs["0"][:] = torch.eye(4, dtype=torch.float64)[0]  # so that the gradient of a row of weights is Σ δ
    measured = local_update({1: layer}, [Step(inputs, {1: h.detach()})], SIGNS)
    torch.testing.assert_close(layer.bias.grad, total.grad.sum((0, 1)))
    torch.testing.assert_close(layer.connection("0").weight.grad[0], total.grad.sum((0, 1)))
    torch.testing.assert_close(measured.loss[0], loss.detach())


@pytest.mark.parametrize("steps", [1, 3])
def test_peer_normalisation_wakes_dead_units_with_positive_cases_only(generator, steps):
    """A pull on δ of every positive case, in proportion to what the unit's running mean is below the mean."""
    layer, plain = make_layer(generator, peer=0.5), make_layer(generator)
    h = torch.rand(5, 2, 6, generator=generator, dtype=torch.float64)
    h[..., 0] = 0  # dead
    found = {}
    x = torch.zeros(5, 2, 4, dtype=torch.float64)
    x[:, 0, 0] = x[:, 1, 1] = 1.0  # row 0 of the weights hears of positive cases, row 1 of negative ones
    inputs = {"0": x, "2": torch.zeros(5, 2, 3, dtype=torch.float64)}
    for name, each in (("peer", layer), ("plain", plain)):
        local_update({1: each}, [Step(inputs, {1: h})] * steps, SIGNS, steps)
        found[name] = each.connection("0").weight.grad
    pulled = found["peer"] - found["plain"]
    expected, mean = torch.zeros(6, dtype=torch.float64), torch.full((6,), 0.5, dtype=torch.float64)
    for _ in range(steps):  # running means start at 0.5 and keep 0.9 a step
        mean = 0.9 * mean + 0.1 * h[:, 0].mean(0)
        expected -= 0.5 * (mean.mean() - mean) * 5 / (10 * steps)  # five of ten terms of the mean loss
    torch.testing.assert_close(pulled[0], expected)
    assert pulled[0, 0] < 0  # descending it makes the weights of the dead unit grow
    assert not pulled[1].any()
    torch.testing.assert_close(layer.running_mean, mean)


def test_gradients_add_up_until_they_are_set_to_zero(generator):
    layer = make_layer(generator)
    h = torch.rand(5, 2, 6, generator=generator, dtype=torch.float64)
    inputs = {
        s: torch.rand(5, 2, n, generator=generator, dtype=torch.float64) for s, n in (("0", 4), ("2", 3))
    }
    local_update({1: layer}, [Step(inputs, {1: h})], SIGNS)
    once = {name: p.grad.clone() for name, p in layer.named_parameters()}
    local_update({1: layer}, [Step(inputs, {1: h})], SIGNS)
    for name, parameter in layer.named_parameters():
        torch.testing.assert_close(parameter.grad, 2 * once[name])
    memory = layer.connection("0").weight.grad.data_ptr()
    layer.zero_grad()
    assert all(p.grad is None for p in layer.parameters())
    local_update({1: layer}, [Step(inputs, {1: h})], SIGNS)
    for name, parameter in layer.named_parameters():
        torch.testing.assert_close(parameter.grad, once[name])
    assert layer.connection("0").weight.grad.data_ptr() == memory


def test_a_layer_is_a_module_like_any_other(generator):
    layer = make_layer(generator, labels=5, peer=0.1, centring=False, scaling=0.1)
    layer.bias.normal_(generator=generator)
    x = {s: torch.randn(7, n, generator=generator, dtype=torch.float64) for s, n in (("0", 4), ("2", 3))}
    x["label"] = torch.randint(5, (7, 1), generator=generator)
    other = make_layer(generator, labels=5, peer=0.1, scaling=0.1)
    assert not torch.equal(other(x), layer(x))
    other.load_state_dict(layer.state_dict())
    twin = copy.deepcopy(layer)
    assert torch.equal(other(x), layer(x))
    assert torch.equal(twin(x), layer(x))
    twin.bias += 1
    assert not torch.equal(twin(x), layer(x))
    single = copy.deepcopy(layer).to(torch.float32)
    assert all(t.dtype is torch.float32 for t in single.state_dict().values())
    found = single({name: t if name == "label" else t.float() for name, t in x.items()})
    torch.testing.assert_close(found, layer(x).float())


@pytest.mark.slow
def test_a_compiled_layer_is_the_same_layer(generator):
    layer = make_layer(generator).float()
    x = {"0": torch.randn(7, 4, generator=generator), "2": torch.randn(7, 3, generator=generator)}
    compiled = torch.compile(layer, backend="aot_eager", fullgraph=True)  # which needs no C++ compiler
    torch.testing.assert_close(compiled(x), layer(x))


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

"""Wiring: local receptive fields against masked dense weights, and both against loops."""

import pytest
import torch

from ffrec.config import ConfigError, JudgeConfig
from ffrec.learning.connection import Full, Local, Masked, square_fields
from ffrec.learning.goodness import Logistic, Squares
from ffrec.learning.layer import Layer

SIDE, FIELD, STRIDE, BELOW, CHANNELS = 5, 3, 2, 2, 4


@pytest.fixture
def local():
    return Local(square_fields(SIDE, FIELD, STRIDE, BELOW), CHANNELS)


def as_dense(local, weight):
    """The dense weights that a local layer stands for, filled in one unit at a time."""
    dense = torch.zeros(SIDE * SIDE * BELOW, local.units, dtype=weight.dtype)
    for place in range(len(local.fields)):
        for seen, source in enumerate(local.fields[place]):
            dense[source, place * CHANNELS : (place + 1) * CHANNELS] = weight[place, seen]
    return dense


def test_fields_are_squares_in_order():
    fields = square_fields(SIDE, FIELD, STRIDE, BELOW)
    assert fields.shape == (4, FIELD * FIELD * BELOW)
    for place, (top, left) in enumerate([(0, 0), (0, 2), (2, 0), (2, 2)]):
        rows, columns = range(top, top + FIELD), range(left, left + FIELD)
        units = [(y * SIDE + x) * BELOW + c for y in rows for x in columns for c in range(BELOW)]
        assert fields[place].tolist() == units


@pytest.mark.parametrize(("side", "field", "stride"), [(4, 5, 1), (6, 3, 2)])
def test_fields_that_do_not_fit_are_refused(side, field, stride):
    with pytest.raises(ConfigError, match="a stride that divides"):
        square_fields(side, field, stride)


@pytest.mark.parametrize("shape", [(6,), (3, 2)])
def test_batched_equals_masked_dense(local, shape, generator):
    weight = local.draw(generator).double()
    masked = Masked(local.mask(SIDE * SIDE * BELOW)).double()
    dense = as_dense(local, weight)
    assert torch.equal(dense * masked.mask, dense)
    assert masked.fan_in == local.fan_in == FIELD * FIELD * BELOW
    x = torch.rand(*shape, SIDE * SIDE * BELOW, generator=generator, dtype=torch.float64)
    torch.testing.assert_close(local.product(x, weight), masked.product(x, dense))
    delta = torch.randn(*shape, local.units, generator=generator, dtype=torch.float64)
    x, delta = x.view(6, -1), delta.view(6, -1)
    found, expected = torch.ones_like(weight), masked.mask.clone()
    local.accumulate(found, x, delta, -0.5)
    masked.accumulate(expected, x, delta, -0.5)
    torch.testing.assert_close(as_dense(local, found), expected)


@pytest.mark.parametrize("autocast", [False, True])
def test_full_connections_accumulate_the_product(autocast, generator):
    wires, onto = Full(5, 3), torch.ones(5, 3)
    x, delta = torch.randn(7, 5, generator=generator), torch.randn(7, 3, generator=generator)
    with torch.autocast("cpu", torch.bfloat16, enabled=autocast):
        wires.accumulate(onto, x, delta, -2.0)
    tolerance = {"atol": 0.05, "rtol": 0.05} if autocast else {}
    torch.testing.assert_close(onto, 1 - 2 * torch.einsum("bi,bo->io", x, delta), **tolerance)


def test_masked_weights_stay_where_they_are(generator):
    mask = torch.rand(8, 5, generator=generator) < 0.5
    layer = Layer({"0": Masked(mask)}, Squares(), Logistic(1.0, 3.0), JudgeConfig(), generator)
    assert torch.equal(layer.weights["0"] != 0, mask)
    optimiser = torch.optim.AdamW(layer.weights.parameters(), lr=0.1, weight_decay=0.1)
    for _ in range(3):
        x = torch.rand(6, 8, generator=generator)
        layer.clear()
        layer.accumulate("0", x, torch.randn(6, 5, generator=generator), torch.ones(1), 1.0)
        optimiser.step()
    assert torch.equal(layer.weights["0"] != 0, mask)


@pytest.mark.parametrize("wiring", [Full(400, 300), Local(square_fields(20, 10, 10), 300)])
def test_new_weights_keep_the_size_of_what_they_send(wiring, generator):
    x = torch.randn(50, 400, generator=generator)
    sent = wiring.product(x, wiring.draw(generator))
    assert sent.square().mean().item() == pytest.approx(1, abs=0.1)

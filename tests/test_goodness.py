"""Goodness: values by hand, slopes against autograd."""

import math

import pytest
import torch

from ffrec.learning.goodness import GOODNESS, Blocks, Logistic, Squares


def test_goodness_by_hand():
    h = torch.tensor([[1.0, 2.0, 0.0, 3.0]])
    for factor in (1.0, -1.0, 4.0):
        assert GOODNESS["squares"](factor).value(h).item() == pytest.approx(factor * 14 / 4)
        assert GOODNESS["activities"](factor).value(h).item() == pytest.approx(factor * 6 / 4)
    assert Blocks(Squares(-2.0), 2).value(h).tolist() == [[-5.0, -9.0]]


CHOICES = [(name, factor, blocks) for name in GOODNESS for factor in (1.0, -3.0) for blocks in (1, 3)]


@pytest.mark.parametrize(("name", "factor", "blocks"), CHOICES)
@pytest.mark.parametrize("given", [False, True])
def test_slope_is_the_gradient_of_the_value(name, factor, blocks, given, generator):
    goodness = Blocks(GOODNESS[name](factor), blocks)
    h = torch.randn(3, 2, 6, generator=generator, dtype=torch.float64).relu().requires_grad_()
    weight = torch.randn(3, 2, blocks, generator=generator, dtype=torch.float64)
    (goodness.value(h) * weight).sum().backward()
    h, expected = h.detach(), h.grad * (h > 0)  # at 0 the rectifier is off
    out = torch.empty_like(h) if given else None
    torch.testing.assert_close(goodness.slope(h, weight, out), expected)
    if given:
        torch.testing.assert_close(out, expected)


@pytest.mark.parametrize("name", GOODNESS)
@pytest.mark.parametrize("blocks", [1, 3])
def test_what_is_sent_on_says_nothing_of_goodness(name, blocks, generator):
    goodness = Blocks(GOODNESS[name](1.0), blocks)
    h = torch.rand(5, 2, 6, generator=generator, dtype=torch.float64)
    sent = goodness.normalise(h)
    torch.testing.assert_close(goodness.normalise(7 * h), sent)
    torch.testing.assert_close(goodness.value(sent).mean(-1), torch.ones(5, 2, dtype=torch.float64))
    assert torch.equal(goodness.normalise(0 * h), 0 * h)


def test_logistic_by_hand():
    logistic = Logistic(threshold=1.0, sharpness=2.0)
    p = 1 / (1 + math.exp(-2 * (1.7 - 1.0)))
    goodness = torch.tensor([1.7])
    assert logistic.log_p_correct(goodness, torch.tensor(1.0)).item() == pytest.approx(math.log(p), rel=1e-5)
    assert logistic.log_p_correct(goodness, torch.tensor(-1.0)).item() == pytest.approx(
        math.log(1 - p), rel=1e-5
    )


def test_logistic_slope_is_the_gradient_of_log_p_correct(generator):
    goodness = torch.randn(6, 2, generator=generator, dtype=torch.float64, requires_grad=True)
    correct = torch.tensor([1.0, -1.0], dtype=torch.float64)
    logistic = Logistic(threshold=0.3, sharpness=4.0)
    logistic.log_p_correct(goodness, correct).sum().backward()
    torch.testing.assert_close(logistic.slope(goodness.detach(), correct), goodness.grad)

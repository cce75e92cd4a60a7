"""Goodness: values by hand, slopes against autograd."""

import math

import pytest
import torch

from ffrec.goodness import GOODNESS, Logistic


def test_mean_square_by_hand():
    h = torch.tensor([[1.0, 2.0, 0.0, 3.0]])
    assert GOODNESS["max"].value(h).item() == pytest.approx(14 / 4)
    assert GOODNESS["min"].value(h).item() == pytest.approx(-14 / 4)


@pytest.mark.parametrize("name", GOODNESS)
def test_slope_is_the_gradient_of_the_value(name, generator):
    h = torch.randn(3, 2, 5, generator=generator, dtype=torch.float64, requires_grad=True)
    weight = torch.randn(3, 2, generator=generator, dtype=torch.float64)
    (GOODNESS[name].value(h) * weight).sum().backward()
    torch.testing.assert_close(GOODNESS[name].slope(h.detach(), weight), h.grad)


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

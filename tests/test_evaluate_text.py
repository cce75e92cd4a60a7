"""Perplexity: what it must be of a uniform and of a perfect model; its interval; symbol by symbol."""

import math

import pytest
import torch

from ffrec.evaluation.text import by_symbol, evaluate_text, interval, perplexity, summary


class Model:
    """A network that gives every character that follows the same probability."""

    symbols = 30
    predictors, exponents = ("part", "another"), {}

    def __init__(self, p: float, recalled: float | None = None) -> None:
        self.p, self.recalled = p, recalled

    def log_likelihood(self, strings):
        shape = strings[:, 10:].shape
        found = {"own": torch.full(shape, math.log(self.p)), "part": torch.full(shape, math.log(0.1))}
        found["another"] = found["own"]
        if self.recalled is not None:
            found["memory"] = torch.full(shape, math.log(self.recalled))
        return found

    def mix(self, log_p):
        return log_p.get("memory", log_p["own"])


STRINGS = torch.arange(3)[:, None] + torch.zeros(3, 25, dtype=torch.int64)


@pytest.mark.parametrize(("p", "expected"), [(1 / 30, 30), (1.0, 1), (0.25, 4)])
def test_perplexity_is_one_over_the_mean_probability(p, expected):
    found = evaluate_text(Model(p), STRINGS)
    assert found["perplexity"] == pytest.approx(expected)
    assert found["bits_per_character"] == pytest.approx(math.log2(expected))
    assert found["interval"] is None  # three strings are too few
    assert (found["strings"], found["characters"]) == (3, 45)
    assert "softmax_perplexity" not in found
    assert found["by_part"] == {"part": pytest.approx(10), "another": pytest.approx(expected)}


def test_a_memory_is_reported_beside_the_softmax_alone():
    found = evaluate_text(Model(0.25, recalled=0.5), STRINGS)
    assert found["perplexity"] == pytest.approx(2)
    assert found["softmax_perplexity"] == pytest.approx(4)


def test_the_interval_covers_and_shrinks(generator):
    log_p = torch.randn(400, 20, generator=generator) * 0.3 - 1.5
    low, high = interval(log_p)
    assert low < perplexity(log_p) < high
    fewer = interval(log_p[:25])
    assert fewer[1] - fewer[0] > 2 * (high - low)
    standard = float(log_p.mean(1).std()) / 400**0.5
    assert math.log(high / low) == pytest.approx(2 * 1.96 * standard, rel=0.15)


def test_symbols_are_counted_and_averaged_apart():
    log_p = torch.tensor([[0.5, 0.25], [0.125, 1.0]]).log()
    found = by_symbol(log_p, torch.tensor([[0, 2], [2, 0]]), 3)
    assert found["count"] == [2, 0, 2]
    assert found["perplexity"][0] == pytest.approx(2**0.5)
    assert found["perplexity"][2] == pytest.approx(32**0.5)
    assert math.isnan(found["perplexity"][1])


def test_summary_does_not_mind_the_order_of_strings(generator):
    log_p = -torch.rand(30, 5, generator=generator)
    assert summary(log_p)["perplexity"] == pytest.approx(summary(log_p.flip(0))["perplexity"])


def test_few_strings_have_no_interval():
    assert interval(torch.zeros(9, 5)) is None
    assert interval(torch.zeros(10, 5)) == (1.0, 1.0)

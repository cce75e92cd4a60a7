"""The memory: what it recalls, by hand; its weight in the mixture."""

import math

import pytest
import torch

from ffrec.networks.text import memory
from ffrec.networks.text.memory import Memory

STATES = torch.tensor([[2.0, 0.0], [0.0, 3.0], [1.0, 0.0]], dtype=torch.float64)
FOLLOWED = torch.tensor([0, 1, 2])


@pytest.fixture
def filled() -> Memory:
    held = Memory(sharpness=2.0, symbols=4).double()
    held.store(STATES, FOLLOWED)
    return held


def test_recall_by_hand(filled):
    query = torch.tensor([[3.0, 4.0]], dtype=torch.float64)  # its cosines with what is stored: .6, .8, .6
    weight = torch.tensor([math.exp(1.2), math.exp(1.6), math.exp(1.2), 0.0], dtype=torch.float64)
    frequency = torch.tensor([2, 2, 2, 1], dtype=torch.float64) / 7
    expected = 0.999 * weight / weight.sum() + 0.001 * frequency
    torch.testing.assert_close(filled.recall(query).exp()[0], expected)


def test_recall_sums_to_one_and_does_not_depend_on_length_or_blocks(filled, generator, monkeypatch):
    queries = torch.rand(7, 2, dtype=torch.float64, generator=generator)
    recalled = filled.recall(queries)
    torch.testing.assert_close(recalled.exp().sum(1), torch.ones(7, dtype=torch.float64))
    torch.testing.assert_close(filled.recall(queries * 5), recalled)
    monkeypatch.setattr(memory, "BLOCK", 2)
    torch.testing.assert_close(filled.recall(queries), recalled)


def test_a_sharp_memory_knows_what_it_stored():
    held = Memory(sharpness=500.0, symbols=4).double()
    held.store(STATES[:2], FOLLOWED[:2])
    assert held.recall(STATES[:2]).argmax(1).tolist() == [0, 1]
    assert held.recall(STATES[:2]).max(1).values.exp().min() > 0.98


def test_the_share_is_the_likeliest_one(filled, generator):
    ours = torch.rand(500, dtype=torch.float64, generator=generator).log()
    recalled = torch.rand(500, dtype=torch.float64, generator=generator).sqrt().log()  # better
    filled.share.copy_(memory.best_share(ours, recalled, steps=500))
    best = filled.mix(ours, recalled).sum()
    for step in (-0.02, 0.02):
        filled.share += step
        assert filled.mix(ours, recalled).sum() < best
        filled.share -= step


def test_a_forgotten_memory_is_empty(filled):
    assert filled.filled
    filled.forget()
    assert not filled.filled

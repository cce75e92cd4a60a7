"""Negatives: wrong for certain, and as likely as they should be."""

import pytest
import torch
from scipy.stats import chisquare

from ffrec.negatives import NEGATIVES, hard_labels, uniform_labels

DRAWS = 100_000


@pytest.mark.parametrize("name", NEGATIVES)
def test_a_negative_is_never_the_true_label(name, generator):
    labels = torch.randint(10, (DRAWS,), generator=generator)
    logits = 20 * torch.randn(DRAWS, 10, generator=generator)
    logits[torch.arange(DRAWS), labels] += 50  # the true class is all but certain
    assert not (NEGATIVES[name](logits, labels, generator) == labels).any()


def test_hard_negatives_follow_the_softmax(generator):
    logits = torch.tensor([0.3, -1.0, 2.0, 0.0, 1.1])
    labels = torch.full((DRAWS,), 2)
    drawn = hard_labels(logits.expand(DRAWS, 5), labels, generator)
    p = logits.exp()
    p[2] = 0
    keep = torch.tensor([0, 1, 3, 4])
    counts = torch.bincount(drawn, minlength=5)[keep]
    expected = (p / p.sum())[keep].double()
    assert chisquare(counts.numpy(), (expected / expected.sum() * DRAWS).numpy()).pvalue > 1e-4


def test_uniform_negatives_are_uniform_over_the_wrong_classes(generator):
    drawn = uniform_labels(torch.zeros(DRAWS, 5), torch.full((DRAWS,), 3), generator)
    counts = torch.bincount(drawn, minlength=5)
    assert counts[3] == 0
    assert chisquare(counts[torch.tensor([0, 1, 2, 4])].numpy()).pvalue > 1e-4

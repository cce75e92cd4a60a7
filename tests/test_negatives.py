"""Negatives: wrong for certain, as likely as they should be, and hybrids of two images."""

from itertools import combinations

import pytest
import torch
from scipy.stats import chisquare

from ffrec.negatives.labels import NEGATIVE_LABELS, hard_labels, hybrid, hybrid_images, masks, uniform_labels

DRAWS = 100_000


@pytest.mark.parametrize("name", ["hard", "uniform"])
def test_a_negative_is_never_the_true_label(name, generator):
    labels = torch.randint(10, (DRAWS,), generator=generator)
    logits = 20 * torch.randn(DRAWS, 10, generator=generator)
    logits[torch.arange(DRAWS), labels] += 50  # the true class is all but certain
    assert not (NEGATIVE_LABELS[name](logits, labels, generator) == labels).any()


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


def test_a_hybrid_of_two_is_the_hybrid_of_the_swapped_two_under_the_opposite_mask(generator):
    one, other = torch.randint(256, (2, 7, 12, 9), generator=generator, dtype=torch.uint8)
    mask = masks(7, 12, 9, generator)
    child = hybrid(one, other, mask)
    assert torch.equal(child, hybrid(other, one, 1 - mask))
    assert torch.equal(child[mask == 1], one[mask == 1])
    assert torch.equal(child[mask == 0], other[mask == 0])


def test_masks_have_large_regions_and_are_half_ones(generator):
    found = masks(4000, 28, 28, generator)
    assert set(found.unique().tolist()) == {0.0, 1.0}
    assert found.mean().item() == pytest.approx(0.5, abs=0.01)
    assert (found.mean(0) - 0.5).abs().max() < 0.05  # no part of the image is favoured
    signs = 2 * found - 1

    def correlation(distance):
        down = (signs[:, distance:] * signs[:, :-distance]).mean()
        right = (signs[..., distance:] * signs[..., :-distance]).mean()
        return torch.stack([down, right])

    assert (correlation(1) > 0.7).all()
    assert (correlation(14).abs() < 0.05).all()
    assert not torch.equal(found[0], found[1])


def test_every_image_is_mixed_with_its_other_under_a_mask_of_its_own(generator):
    images = torch.arange(1, 7, dtype=torch.uint8).view(6, 1, 1).expand(6, 20, 20)
    children = hybrid_images(images, images.roll(1, 0), generator)
    assert children.dtype == torch.uint8
    regions = []
    for own, other, child in zip(images, images.roll(1, 0), children, strict=True):
        assert set(child.unique().tolist()) == {own[0, 0].item(), other[0, 0].item()}
        regions.append(child == own)
    assert all(not torch.equal(one, two) for one, two in combinations(regions, 2))
    assert not torch.equal(children, hybrid_images(images, images.roll(1, 0), generator))

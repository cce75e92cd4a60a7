"""Negatives: wrong for certain, as likely as they should be, and hybrids of two images."""

from itertools import combinations, permutations

import pytest
import torch
from scipy.stats import chisquare

from ffrec import registry
from ffrec.negatives.hybrids import Hybrid, hybrid, hybrid_images, masks
from ffrec.negatives.labels import hard_labels, uniform_labels

DRAWS = 100_000
COUNTS = {"all": 9, "none": 0, "hard-2": 2, "hard-3": 3, "hard-5": 5}  # of ten classes; otherwise 1

NEGATIVES = registry.menu("negatives")


@pytest.mark.parametrize(
    "name", [name for name, kind in NEGATIVES.items() if not kind.hybrid]
)  # whose label may be true
def test_a_negative_is_never_the_true_label(name, generator, draws):
    labels = torch.randint(10, (DRAWS,), generator=generator)
    logits = 20 * torch.randn(DRAWS, 10, generator=generator)
    logits[torch.arange(DRAWS), labels] += 50  # the true class is all but certain
    found = NEGATIVES[name]().labels(logits, labels, draws)
    assert found.shape == (DRAWS, COUNTS.get(name, 1))
    assert not (found == labels.unsqueeze(1)).any()


def test_every_wrong_label_is_each_of_them_once(draws):
    labels = torch.tensor([0, 2, 3])
    found = NEGATIVES["all"]().labels(torch.zeros(3, 4), labels, draws)
    for own, row in zip(labels.tolist(), found.tolist(), strict=True):
        assert sorted([own, *row]) == [0, 1, 2, 3]


def test_three_hard_negatives_are_drawn_without_replacement(draws):
    """By their probabilities: P(i, j, k) = pᵢ · pⱼ / (1 − pᵢ) · pₖ / (1 − pᵢ − pⱼ)."""
    logits = torch.tensor([0.3, -1.0, 2.0, 0.0, 1.1])
    found = NEGATIVES["hard-3"]().labels(logits.expand(DRAWS, 5), torch.full((DRAWS,), 2), draws)
    wrong = [0, 1, 3, 4]
    p = dict(zip(wrong, logits[wrong].softmax(0).tolist(), strict=True))
    counts, expected = [], []
    for i, j, k in permutations(wrong, 3):
        counts.append((found == torch.tensor([i, j, k])).all(1).sum().item())
        expected.append(DRAWS * p[i] * p[j] / (1 - p[i]) * p[k] / (1 - p[i] - p[j]))
    assert sum(counts) == DRAWS
    assert chisquare(counts, expected).pvalue > 1e-3


def test_hard_negatives_are_wrong_where_the_softmax_is_certain_of_one_wrong_label(draws):
    labels = torch.arange(100) % 9
    logits = torch.zeros(100, 10)
    logits[:, 9] = 1000  # so that all other probabilities are 0 in float32
    found = NEGATIVES["hard-3"]().labels(logits, labels, draws)
    assert (found[:, 0] == 9).all()
    assert not (found == labels.unsqueeze(1)).any()


def test_where_there_are_few_classes_three_hard_negatives_are_all_wrong_labels(draws):
    labels = torch.tensor([0, 1, 2])
    found = NEGATIVES["hard-3"]().labels(torch.zeros(3, 3), labels, draws)
    assert [sorted(row) for row in found.tolist()] == [[1, 2], [0, 2], [0, 1]]


def test_only_hybrids_change_the_image(generator, draws):
    images = torch.randint(256, (30, 9, 9), generator=generator, dtype=torch.uint8)
    for name, kind in NEGATIVES.items():
        negatives = kind()
        assert negatives.hybrid == (name in ("hybrid", "pairs"))
        assert torch.equal(negatives.images(images, images.roll(1, 0), draws), images) != negatives.hybrid


@pytest.mark.parametrize("labelled", ["shuffled", "uniform"])
def test_labels_of_hybrids_are_shuffled_or_wrong_for_certain(labelled, generator, draws):
    labels = torch.randint(10, (2000,), generator=generator)
    (found,) = Hybrid(labelled).labels(torch.zeros(2000, 10), labels, draws).T
    assert torch.equal(found.sort().values, labels.sort().values) == (labelled == "shuffled")
    assert (found == labels).any() == (labelled == "shuffled")


def test_hard_negatives_follow_the_softmax(draws):
    logits = torch.tensor([0.3, -1.0, 2.0, 0.0, 1.1])
    labels = torch.full((DRAWS,), 2)
    drawn = hard_labels(logits.expand(DRAWS, 5), labels, draws)
    p = logits.exp()
    p[2] = 0
    keep = torch.tensor([0, 1, 3, 4])
    counts = torch.bincount(drawn, minlength=5)[keep]
    expected = (p / p.sum())[keep].double()
    assert chisquare(counts.numpy(), (expected / expected.sum() * DRAWS).numpy()).pvalue > 1e-4


def test_uniform_negatives_are_uniform_over_the_wrong_classes(draws):
    drawn = uniform_labels(torch.zeros(DRAWS, 5), torch.full((DRAWS,), 3), draws)
    counts = torch.bincount(drawn, minlength=5)
    assert counts[3] == 0
    assert chisquare(counts[torch.tensor([0, 1, 2, 4])].numpy()).pvalue > 1e-4


def test_a_hybrid_of_two_is_the_hybrid_of_the_swapped_two_under_the_opposite_mask(generator, draws):
    one, other = torch.randint(256, (2, 7, 12, 9), generator=generator, dtype=torch.uint8)
    mask = masks(7, 12, 9, draws)
    child = hybrid(one, other, mask)
    assert torch.equal(child, hybrid(other, one, 1 - mask))
    assert torch.equal(child[mask == 1], one[mask == 1])
    assert torch.equal(child[mask == 0], other[mask == 0])


def test_masks_have_large_regions_and_are_half_ones(draws):
    found = masks(4000, 28, 28, draws)
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


def test_every_image_is_mixed_with_its_other_under_a_mask_of_its_own(draws):
    images = torch.arange(1, 7, dtype=torch.uint8).view(6, 1, 1).expand(6, 20, 20)
    children = hybrid_images(images, images.roll(1, 0), draws)
    assert children.dtype == torch.uint8
    regions = []
    for own, other, child in zip(images, images.roll(1, 0), children, strict=True):
        assert set(child.unique().tolist()) == {own[0, 0].item(), other[0, 0].item()}
        regions.append(child == own)
    assert all(not torch.equal(one, two) for one, two in combinations(regions, 2))
    assert not torch.equal(children, hybrid_images(images, images.roll(1, 0), draws))


def test_a_mask_is_the_same_for_all_colours(draws):
    images = torch.zeros(5, 12, 12, 3, dtype=torch.uint8)
    children = hybrid_images(images, images + 200, draws)
    assert torch.equal(children, children[..., :1].expand(-1, -1, -1, 3))
    assert len(children.unique()) == 2


def test_a_negative_pair_is_the_mean_of_two_images_and_has_a_label_of_the_batch(generator, draws):
    images, labels = torch.rand(6, 3, 3, generator=generator), torch.arange(6) % 3
    others, pairs = images.roll(1, 0), NEGATIVES["pairs"]()
    assert torch.allclose(2 * pairs.images(images, others, draws) - others, images)
    found = pairs.labels(torch.zeros(6, 3), labels, draws)
    assert sorted(found.flatten().tolist()) == sorted(labels.tolist())
    wrong = NEGATIVES["pairs"]("uniform").labels(torch.zeros(6, 3), labels, draws)
    assert not (wrong.flatten() == labels).any()

"""Images: shifts, dropout and the fixed permutation."""

import pytest
import torch
from scipy.stats import chisquare

from ffrec.data.images import Images, jitter, pixel_permutation, silence


def test_jitter_keeps_every_pixel_of_a_digit_that_has_room(generator, draws):
    images = torch.zeros(200, 12, 12, dtype=torch.uint8)
    images[:, 2:10, 2:10] = torch.randint(1, 256, (200, 8, 8), generator=generator, dtype=torch.uint8)
    shifted = jitter(images, 2, draws)
    assert shifted.shape == images.shape
    for before, after in zip(images, shifted, strict=True):
        assert torch.equal(before[before > 0], after[after > 0])  # in the same order: moved, not mixed


def test_jitter_covers_all_shifts_uniformly(draws):
    images = torch.zeros(20_000, 5, 5)
    images[:, 2, 2] = 1
    place = jitter(images, 2, draws).flatten(1).argmax(1)
    assert chisquare(torch.bincount(place, minlength=25).numpy()).pvalue > 1e-4


def test_silence_drops_the_share_it_says(draws):
    rows = silence(torch.ones(200, 500), 0.2, draws)
    assert rows.mean().item() == pytest.approx(0.8, abs=0.01)
    assert set(rows.unique().tolist()) == {0.0, 1.0}


def test_a_permutation_is_fixed_by_its_seed_and_applied_to_every_image(generator):
    images = torch.randint(256, (6, 4, 4), generator=generator, dtype=torch.uint8)
    order = pixel_permutation(16, 3)
    assert sorted(order.tolist()) == list(range(16))
    assert torch.equal(order, pixel_permutation(16, 3))
    assert not torch.equal(order, pixel_permutation(16, 4))
    rows = Images(images, torch.device("cpu"), permute=3).batch(slice(1, 4))
    assert torch.equal(rows, images[1:4].flatten(1).float()[:, order])

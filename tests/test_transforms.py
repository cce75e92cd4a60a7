"""Transforms: pooling against loops, and a black box that is normalised again."""

import pytest
import torch
from einops import rearrange

from ffrec.learning.goodness import normalise
from ffrec.learning.transform import BlackBox, Pool


def by_place(maps):
    """Rows of units, ordered place by place, of maps `(…, channels, height, width)`."""
    return rearrange(maps, "... c y x -> ... (y x c)")


@pytest.mark.parametrize(("kind", "reduce"), [("max", torch.amax), ("mean", torch.mean)])
@pytest.mark.parametrize("side", [4, 5])
def test_pooling_is_a_loop_over_squares(kind, reduce, side, generator):
    pool = Pool((3, side, 4), 2, kind)
    assert pool.map == (3, 2, 2)  # what is left over at the end is left out
    x = torch.randn(6, 2, 3, side, 4, generator=generator)
    sent = rearrange(pool(by_place(x)), "b k (y x c) -> b k c y x", y=2, x=2)
    for down in range(2):
        for right in range(2):
            square = x[..., 2 * down : 2 * down + 2, 2 * right : 2 * right + 2]
            torch.testing.assert_close(sent[..., down, right], reduce(square, dim=(-2, -1)))


@pytest.mark.parametrize(("kind", "size"), [("median", 2), ("max", 5)])
def test_a_pool_that_cannot_be_is_refused(kind, size):
    with pytest.raises(ValueError, match=f"pool: expected one of max, mean over at most 4 places.*{size}"):
        Pool((3, 4, 6), size, kind)


def test_what_a_black_box_makes_is_normalised(generator):
    x = torch.rand(3, 2, 8, generator=generator)
    before = x.clone()
    box = BlackBox(lambda x: x.mul_(3).flip(-1).tolist(), normalise, "here")
    torch.testing.assert_close(box(x), normalise(3 * x.flip(-1)))
    assert torch.equal(x, before)  # what it overwrites is its own


@pytest.mark.parametrize(
    ("made", "found"),
    [
        (lambda x: x / 0 * 0, "found NaN or infinity"),
        (lambda x: x[..., :-1], r"found shape \(3, 7\)"),
        (lambda x: None, "found NoneType"),
        (lambda x: "words", "found str"),
    ],
)
def test_a_black_box_that_breaks_is_named(made, found, generator):
    with pytest.raises(ValueError, match=rf"behind here: expected finite numbers of shape \(3, 8\), {found}"):
        BlackBox(made, normalise, "here")(torch.rand(3, 8, generator=generator))

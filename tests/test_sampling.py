"""Drawing: the right frequencies, the right support."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import chisquare

from ffrec.data.sampling import draw, sharpen

P = torch.tensor([[0.5, 0.25, 0.15, 0.1]])


def test_draws_follow_the_weights(draws):
    drawn = draw(P.expand(20_000, -1) * 3.0, draws)  # weights need not sum to 1
    found = torch.bincount(drawn, minlength=4)
    assert chisquare(found.tolist(), (P[0] * 20_000).tolist()).pvalue > 1e-3


def test_temperature():
    torch.testing.assert_close(sharpen(P.log(), 1.0), P)
    torch.testing.assert_close(sharpen(P.log(), 0.5), P**2 / (P**2).sum())
    torch.testing.assert_close(sharpen(P.log(), 1e-4), torch.tensor([[1.0, 0, 0, 0]]))
    assert sharpen(P.log(), 0.0).tolist() == [[1.0, 0, 0, 0]]


@given(st.integers(1, 30), st.integers(0, 5))
def test_top_k_keeps_the_k_likeliest(k, seed):
    log_p = torch.randn(3, 30, generator=torch.Generator().manual_seed(seed))
    kept = sharpen(log_p, 0.8, top_k=k)
    assert ((kept > 0).sum(1) == k).all()
    assert torch.equal((kept > 0).nonzero()[:, 1].view(3, k), log_p.topk(k).indices.sort(1).values)
    torch.testing.assert_close(kept.sum(1), torch.ones(3))


@pytest.mark.parametrize(("share", "support"), [(0.0, 1), (0.4, 1), (0.6, 2), (0.76, 3), (0.95, 4), (1.0, 4)])
def test_top_p_keeps_what_first_reaches_the_share(share, support):
    kept = sharpen(P.log(), 1.0, top_p=share)
    assert (kept > 0).sum() == support
    torch.testing.assert_close(kept[0, :support], P[0, :support] / P[0, :support].sum())

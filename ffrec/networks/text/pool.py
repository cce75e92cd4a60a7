"""One prediction out of several: a product of what the parts of a network predict, each to a power."""

import torch
from torch import Tensor

STRENGTH = 100.0
"""Of the pull of the fitted exponents to those they start from: it matters where few characters are known."""
NEWTON, HALVINGS, SMALL = 50, 30, 1e-6
"""Steps at most, halvings of a step, and the step at which the fit ends."""


def pooled(log_p: Tensor, exponents: Tensor) -> Tensor:
    """log p of the next character, `(cases, symbols)`, with p(s) proportional to Πₖ pₖ(s)^aₖ: predictions
    `(cases, parts, symbols)` and exponents `(parts,)`. The exponent of a single part is one over its
    temperature.

    Source: Hinton 2002 (products of experts); Guo et al. 2017 §4.2 (temperature scaling).
    """
    return torch.einsum("cks,k->cs", log_p, exponents).log_softmax(1)


def fit_exponents(log_p: Tensor, following: Tensor, start: Tensor) -> Tensor:
    """The exponents a `(parts,)` that make the characters `(cases,)` that did follow likeliest under `pooled`
    predictions `(cases, parts, symbols)`, and that stay near those they start from. With p(s) of `pooled`
    and λ the `STRENGTH`, they are where this convex function is lowest:

        f(a) = −Σ over cases of log p(following) + λ/2 |a − start|²

    It is found by Newton's method: f has the slope Σ over cases of Σₛ p(s) log pₖ(s) − log pₖ(following), and
    for curvature the covariances of log pₖ under p, both with the pull.
    """
    log_p, start = log_p.double(), start.double()
    known = log_p.gather(2, following.view(-1, 1, 1).expand(-1, log_p.shape[1], 1)).squeeze(2)

    def height(a: Tensor) -> Tensor:
        of_following = pooled(log_p, a).gather(1, following.view(-1, 1))
        return -of_following.sum() + STRENGTH / 2 * (a - start).square().sum()

    a, low = start, height(start)
    pull = STRENGTH * torch.eye(len(start), dtype=start.dtype, device=start.device)
    for _ in range(NEWTON):
        p = pooled(log_p, a).exp()
        mean = torch.einsum("cs,cks->ck", p, log_p)
        slope = (mean - known).sum(0) + STRENGTH * (a - start)
        curvature = torch.einsum("cs,cks,cjs->kj", p, log_p, log_p) - mean.T @ mean + pull
        step = torch.linalg.solve(curvature, slope)
        for _ in range(HALVINGS):
            if (reached := height(a - step)) <= low:
                break
            step = step / 2
        else:
            return a
        a, low = a - step, reached
        if step.abs().max() < SMALL:
            break
    return a

"""One prediction out of several: a product of what predictors say, each to a power."""

import torch
from torch import Tensor

STRENGTH = 100.0
"""Of the pull of the fitted exponents to those they start from: it matters where few characters are known."""
CHARACTERS, NUMBERS = 50_000, 20_000_000
"""Most characters, and most probabilities of them, that exponents are fitted on: they bound memory."""
BLOCK = 2_000_000
"""Probabilities of a block of cases that are computed with at once."""
NEWTON, HALVINGS, SMALL = 50, 30, 1e-6
"""Steps at most, halvings of a step, and the step at which the fit ends."""


def most_characters(predictors: int, symbols: int) -> int:
    """How many characters exponents are fitted on at most."""
    return max(1, min(CHARACTERS, NUMBERS // (predictors * symbols)))


def pooled(log_p: Tensor, exponents: Tensor) -> Tensor:
    """log p of the next character, `(cases, symbols)`, with p(s) proportional to Πₖ pₖ(s)^aₖ: predictions
    `(cases, predictors, symbols)` and exponents `(predictors,)`, of any sign.

    Source: Hinton 2002 (products of experts).
    """
    return torch.einsum("cks,k->cs", log_p, exponents).log_softmax(1)


def tempered(log_p: Tensor, exponent: float) -> Tensor:
    """`pooled` of a single predictor `(…, symbols)`: the exponent is one over its temperature.

    Source: Guo et al. 2017 §4.2 (temperature scaling).
    """
    return (exponent * log_p).log_softmax(-1)


def fit_exponents(log_p: Tensor, following: Tensor, start: Tensor) -> Tensor:
    """The exponents a `(predictors,)` that make the characters `(cases,)` that did follow likeliest under
    `pooled` predictions `(cases, predictors, symbols)`, and that stay near those they start from. With p(s)
    of `pooled` and λ the `STRENGTH`, they are where this convex function is lowest:

        f(a) = −Σ over cases of log p(following) + λ/2 |a − start|²

    It is found by Newton's method: f has the slope Σ over cases of Σₛ p(s) log pₖ(s) − log pₖ(following), and
    for curvature the covariances of log pₖ under p, both with the pull. All of it is computed on the CPU, in
    float64.
    """
    log_p, following, start = log_p.cpu(), following.cpu(), start.double().cpu()
    size = max(1, BLOCK // log_p[0].numel())
    blocks = list(zip(log_p.split(size), following.split(size), strict=True))

    def height(a: Tensor) -> Tensor:
        found = STRENGTH / 2 * (a - start).square().sum()
        for block, came in blocks:
            found = found - pooled(block.double(), a).gather(1, came.view(-1, 1)).sum()
        return found

    def slope_and_curvature(a: Tensor) -> tuple[Tensor, Tensor]:
        slope = STRENGTH * (a - start)
        curvature = STRENGTH * torch.eye(len(start), dtype=start.dtype)
        for block, came in blocks:
            each = block.double()
            p = pooled(each, a).exp()
            mean = torch.einsum("cs,cks->ck", p, each)
            known = each.gather(2, came.view(-1, 1, 1).expand(-1, len(start), 1)).squeeze(2)
            slope = slope + (mean - known).sum(0)
            curvature = curvature + torch.einsum("cs,cks,cjs->kj", p, each, each) - mean.T @ mean
        return slope, curvature

    a, low = start, height(start)
    for _ in range(NEWTON):
        slope, curvature = slope_and_curvature(a)
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

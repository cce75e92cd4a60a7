"""Drawing from distributions, on the device."""

import torch
from torch import Tensor

from ffrec.data.draws import Draws


def draw(p: Tensor, draws: Draws) -> Tensor:
    """One index a row, drawn in proportion to weights `(rows, n)`: shape `(rows,)`.

    The largest of p / Exponential(1) is k with probability p[k] / Σ p; unlike torch.multinomial this lets NaN
    through, so that the training loop can say which layer it came from.
    """
    return (p / draws.exponential(p.shape)).argmax(1)


def sharpen(log_p: Tensor, temperature: float, top_k: int | None = None, top_p: float = 1.0) -> Tensor:
    """p^(1/temperature) `(rows, n)` of the at most k likeliest symbols that first reach a sum of top_p.

    Temperature 0 gives all to the likeliest, and so does one that `log_p` `(rows, n)`, which need not be
    normalised, cannot be divided by: it is no normal number of its type.
    """
    if temperature < torch.finfo(log_p.dtype).tiny:
        return torch.nn.functional.one_hot(log_p.argmax(1), log_p.shape[1]).to(log_p.dtype)
    temperature = min(temperature, torch.finfo(log_p.dtype).max)
    p = ((log_p - log_p.amax(1, keepdim=True)) / temperature).softmax(1)  # safe at any such temperature
    if top_k is None and top_p >= 1:
        return p
    ordered, symbols = p.sort(dim=1, descending=True, stable=True)
    kept = ordered.cumsum(1) - ordered < top_p
    kept[:, 0] = True
    if top_k is not None:
        kept[:, top_k:] = False
    p = torch.zeros_like(p).scatter(1, symbols, ordered * kept)
    return p / p.sum(1, keepdim=True)

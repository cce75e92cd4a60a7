"""The arithmetic of the products: a module with weights, and their copy in the products' own type."""

from typing import Any

import torch
from torch import Tensor, nn


class Weighted(nn.Module):
    """A module with a weight matrix, whose products may be computed in another type than it is learnt in.

    `weight` is learnt, in float32 as a rule; `working` is what products take. In bfloat16 the optimiser's
    small steps would be rounded away, and so would sums of many terms: only products, and what they make, are
    bfloat16.
    """

    weight: nn.Parameter
    arithmetic: torch.dtype | None = None
    """Type of the products; that of `weight` if None."""

    def __init__(self) -> None:
        super().__init__()
        self.cast: Tensor | None = None
        self.stale = True
        """Whether the weights have changed since they were cast. torch does not count all changes in place
        (not those of fused optimisers): whoever makes them says so."""

    @property
    def dtype(self) -> torch.dtype:
        """What products take and make."""
        return self.arithmetic or self.weight.dtype

    @property
    def working(self) -> Tensor:
        """The weights as products take them, cast when they are first needed after they became stale."""
        if self.dtype == self.weight.dtype:
            return self.weight
        if self.cast is None or self.cast.dtype != self.dtype or self.cast.device != self.weight.device:
            self.cast, self.stale = torch.empty_like(self.weight, dtype=self.dtype), True
        if self.stale:
            self.cast.copy_(self.weight)
            self.stale = False
        return self.cast

    def __getstate__(self) -> dict[str, Any]:
        """Nothing of the cast goes into a copy or a pickle."""
        return self.__dict__ | {"cast": None, "stale": True}


def wide(dtype: torch.dtype) -> torch.dtype:
    """The type in which many terms of a type are summed: float32 at least."""
    return torch.promote_types(dtype, torch.float32)

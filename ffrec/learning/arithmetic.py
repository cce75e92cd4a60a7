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
        self.kept: Tensor | None = None
        self.stale = True
        """Whether the weights have changed since they were cast. torch does not count all changes in place
        (not those of fused optimisers): whoever makes them says so."""

    def _load_from_state_dict(self, *arguments: Any) -> None:
        super()._load_from_state_dict(*arguments)
        self.stale = True

    @property
    def dtype(self) -> torch.dtype:
        """What products take and make."""
        return self.arithmetic or self.weight.dtype

    @property
    def working(self) -> Tensor:
        """The weights as products take them, cast when they are first needed after they became stale."""
        if self.dtype == self.weight.dtype:
            return self.weight
        cast = self.cast_memory
        if self.stale:
            cast.copy_(self.weight)
            self.stale = False
        return cast

    @property
    def cast_memory(self) -> Tensor:
        """Where the cast weights are, in the type of the products."""
        if self.cast is None or self.cast.dtype != self.dtype or self.cast.device != self.weight.device:
            self.cast, self.stale = torch.empty_like(self.weight, dtype=self.dtype), True
        return self.cast

    @property
    def grad_memory(self) -> Tensor:
        """Where the gradient is: memory that is kept, and written anew in every update."""
        if (
            self.kept is None
            or self.kept.dtype != self.weight.dtype
            or self.kept.device != self.weight.device
        ):
            self.kept = torch.empty_like(self.weight)
        return self.kept

    @property
    def weight_grad(self) -> Tensor:
        """The gradient of the weights, zero if there was none."""
        if self.weight.grad is None:
            self.weight.grad = self.grad_memory.zero_()
        return self.weight.grad

    def add_grad(self, grad: Tensor) -> None:
        """Add to the gradient of the weights, in whatever type; where there is none yet, write it."""
        if self.weight.grad is None:
            self.weight.grad = self.grad_memory.copy_(grad)
        else:
            self.weight.grad.add_(grad)

    def __getstate__(self) -> dict[str, Any]:
        """Nothing of cast or gradient memory goes into a copy or a pickle."""
        return self.__dict__ | {"cast": None, "kept": None, "stale": True}


def wide(dtype: torch.dtype) -> torch.dtype:
    """The type in which many terms of a type are summed: float32 at least."""
    return torch.promote_types(dtype, torch.float32)

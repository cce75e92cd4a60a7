"""The matrix products of a step by themselves: same shapes, same number, nothing else."""

from collections.abc import Callable, Iterable

import torch
from torch import Tensor

from ffrec.bench.formulas import Product


def multiply(products: Iterable[Product], dtype: torch.dtype, device: torch.device) -> Callable[[], None]:
    """A function that forms these products from random numbers, with operands and results of one type.
    Forward products of a layer with as many inputs share one matrix, as those of one source do in a step.

    The gradient of codes counts as a product with characters written out, as it is on a GPU; a CPU sums rows
    in place of it, which is less.
    """

    def operand(*shape: int) -> Tensor:
        return torch.randn(*shape, device=device).to(dtype)

    weights: dict[tuple[int, int, int], Tensor] = {}
    pairs = []
    for level, kind, rows, source, units in products:
        x = operand(rows, source)
        if kind == "grad":
            pairs.append((x.T, operand(rows, units)))
        else:
            key = (level, source, units)
            weights[key] = weights[key] if key in weights else operand(source, units)
            pairs.append((x, weights[key]))

    def run() -> None:
        for left, right in pairs:
            torch.mm(left, right)

    return run

"""The matrix products of a step by themselves: same shapes, same number, nothing else."""

from collections.abc import Callable, Iterable

import torch

from ffrec.bench.formulas import Product


def multiply(products: Iterable[Product], dtype: torch.dtype, device: torch.device) -> Callable[[], None]:
    """A function that forms these products from random numbers, with operands and results of one type.

    The gradient of codes counts as a product with characters written out, as it is on a GPU; a CPU sums rows
    in place of it, which is less.
    """

    def operand(*shape: int) -> torch.Tensor:
        return torch.randn(*shape, device=device).to(dtype)

    pairs = [
        (operand(rows, source), operand(source, units))
        if kind == "forward"
        else (operand(rows, source).T, operand(rows, units))
        for _, kind, rows, source, units in products
    ]

    def run() -> None:
        for left, right in pairs:
            torch.mm(left, right)

    return run

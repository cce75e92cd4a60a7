"""Connections: how a source reaches the units of a layer. A connection owns its weights."""

from abc import ABC, abstractmethod
from typing import final

import torch
from torch import Tensor, nn
from torch.nn.functional import embedding_bag

from ffrec.learning.arithmetic import Weighted
from ffrec.registry import register

BLOCK = 4096  # codes written out together; bounds memory


class Connection(Weighted, ABC):
    """x ↦ x W, for rows x of `source_units` numbers and `units` units; a subclass says what W is.

    Initial weights are drawn from N(0, 1 / fan-in). Rows, products and δ have the type `dtype`, the gradient
    that of `weight`: a subclass multiplies by `working`.
    """

    def __init__(
        self, source_units: int, units: int, shape: tuple[int, ...], fan_in: int, generator: torch.Generator
    ) -> None:
        super().__init__()
        self.source_units, self.units = source_units, units
        self.bias_units = units
        """Units, or groups of units, that have a bias of their own."""
        drawn = torch.randn(shape, generator=generator).div_(fan_in**0.5)
        self.weight = nn.Parameter(drawn, requires_grad=False)

    @abstractmethod
    def forward(self, x: Tensor) -> Tensor:
        """x W: what a source sends, `(..., source units)`, to `(..., units)`."""

    @abstractmethod
    def add_weight_grad(self, x: Tensor, delta: Tensor) -> None:
        """`add_grad` of xᵀ δ, for rows x `(rows, source units)` and δ `(rows, units)`."""

    def dense(self, x: Tensor) -> Tensor:
        """What a source sends as rows of numbers: `(rows, source units)`."""
        return x

    def add_product(self, x: Tensor, delta: Tensor) -> None:
        """Add xᵀ δ to the gradient of weights `(source units, units)`."""
        if self.weight.grad is not None:
            self.weight.grad.add_(x.T @ delta)
        elif self.dtype == self.weight.dtype:
            self.weight.grad = torch.mm(x.T, delta, out=self.grad_memory)
        else:  # an update's forward products are done, and its end makes the cast stale anyway
            self.add_grad(torch.mm(x.T, delta, out=self.cast_memory))
            self.stale = True


@final
@register("connection", "dense")
class Dense(Connection):
    """Every unit of the source reaches every unit: weights `(source units, units)`."""

    def __init__(self, source_units: int, units: int, generator: torch.Generator) -> None:
        super().__init__(source_units, units, (source_units, units), source_units, generator)

    def forward(self, x: Tensor) -> Tensor:
        rows = x.reshape(-1, self.source_units) @ self.working  # of three axes torch may make many products
        return rows.view(*x.shape[:-1], self.units)

    def add_weight_grad(self, x: Tensor, delta: Tensor) -> None:
        self.add_product(x, delta)


@final
class Masked(Connection):
    """Any connectivity: weights `(source units, units)` that are zero, and stay so, where the mask is.

    Source: Hinton 2022 §4, note 13. Simple and wasteful: it computes with every zero.
    """

    def __init__(self, mask: Tensor, generator: torch.Generator) -> None:
        source_units, units = mask.shape
        fan_in = int(mask.sum(0).max())
        super().__init__(source_units, units, (source_units, units), fan_in, generator)
        self.register_buffer("mask", mask.float(), persistent=False)
        self.mask: Tensor
        self.weight.mul_(self.mask)

    def forward(self, x: Tensor) -> Tensor:
        return x @ self.working

    def add_weight_grad(self, x: Tensor, delta: Tensor) -> None:
        self.add_grad((x.T @ delta) * self.mask)


@final
class Codes(Connection):
    """Labels or characters: rows of weights are picked and summed, in place of a product with one-of-N codes.

    A row of `positions` codes `(..., positions)` stands for as many one-of-N vectors side by side, together
    of unit mean square; weights are `(positions · symbols, units)`. Each vector is `fading` times as large
    as the one after it, and so are, by Adam, the steps of what its weights send. Last positions that are
    missing are neutral: an equal share of every symbol (Hinton 2022 §3.3). Codes for maps of so many `places`
    send the same to every place, as constant maps of their own would.
    """

    def __init__(
        self,
        symbols: int,
        units: int,
        generator: torch.Generator,
        positions: int = 1,
        places: int = 1,
        fading: float = 1.0,
    ) -> None:
        inputs = positions * symbols
        super().__init__(inputs, units * places, (inputs, units), inputs, generator)
        self.symbols, self.positions = symbols, positions
        self.places, self.bias_units = places, units
        self.register_buffer("offsets", torch.arange(positions) * symbols, persistent=False)
        self.offsets: Tensor
        ages = torch.arange(positions - 1, -1, -1.0, dtype=torch.float64, device="cpu")  # planned, too
        sizes = fading**ages
        self.sizes: list[float] = (sizes * (inputs / sizes.square().sum()).sqrt()).tolist()
        """What stands for 1 in the vector of each position; √symbols in each without fading."""
        self.made: dict[tuple[torch.dtype, torch.device], Tensor] = {}

    def sizes_in(self, dtype: torch.dtype) -> Tensor:
        """`sizes` in a type, rounded once, where the weights are: `(positions,)`."""
        where = dtype, self.weight.device
        if where not in self.made:
            each = [torch.full((), size, dtype=dtype, device=where[1]) for size in self.sizes]
            self.made[where] = torch.stack(each)  # filled there: a copy from the host would wait for it
        return self.made[where]

    def forward(self, x: Tensor) -> Tensor:
        given, sizes = x.shape[-1], self.sizes_in(self.dtype)
        rows = x + self.offsets[:given]
        if self.positions == 1 and given == 1:
            return self.everywhere(self.working[rows.squeeze(-1)].mul_(sizes))
        rows = rows.flatten(0, -2)
        each = sizes[:given].expand(rows.shape).contiguous()
        total: Tensor = embedding_bag(rows, self.working, mode="sum", per_sample_weights=each)
        for position in range(given, self.positions):
            total += self.working[position * self.symbols :][: self.symbols].mean(0) * sizes[position]
        return self.everywhere(total.view(*x.shape[:-1], -1))

    def everywhere(self, sent: Tensor) -> Tensor:
        """What a place is sent, `(..., units of a place)`, at all places: `(..., units)`."""
        return sent if self.places == 1 else sent.repeat(*(1,) * (sent.ndim - 1), self.places)

    def neutral(self) -> Tensor:
        """What the neutral code sends where all positions are missing, `(units,)`."""
        mean = self.weight.view(self.positions, self.symbols, -1).mean(1)
        sent = (mean * self.sizes_in(mean.dtype).unsqueeze(1)).sum(0)  # a product of a vector is no faster
        return self.everywhere(sent.to(self.dtype))

    def dense(self, x: Tensor) -> Tensor:
        given = x.shape[-1]
        sizes = self.sizes_in(self.dtype)
        codes = self.weight.new_zeros(len(x), self.source_units, dtype=self.dtype)
        shares = sizes[given:] / self.symbols  # of positions that are missing
        codes[:, given * self.symbols :] = shares.repeat_interleave(self.symbols)
        return codes.scatter_(1, x + self.offsets[:given], sizes[:given].expand(x.shape))

    def add_weight_grad(self, x: Tensor, delta: Tensor) -> None:
        """Rows may be codes or dense. A product with codes written out, some rows at a time, is at least as
        fast here as scattered sums, and needs nothing of the order in which they are made."""
        if self.places > 1:
            delta = delta.unflatten(-1, (self.places, -1)).sum(-2)
        for part, rows in zip(x.split(BLOCK), delta.split(BLOCK), strict=True):
            self.add_product(part if part.is_floating_point() else self.dense(part), rows)

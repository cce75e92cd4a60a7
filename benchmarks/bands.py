"""Local receptive fields computed in several ways, as ratios in one run to the bands that ffrec has.

    python benchmarks/bands.py [--side 32] [--field 11] [--channels 3] [--rows 200] [--into FILE]

A product x W and the gradient xᵀ δ, in bfloat16 and in float32, of

- dense weights under a mask (Hinton 2022, note 13),
- every place by itself, its inputs gathered,
- square tiles, their inputs gathered, and a mask on the weights of each,
- bands of rows (`Bands`), of several heights: nothing is gathered.

The time is that of the processor: on a busy machine, too, it is what the work itself takes.
"""

import argparse
import time
from collections.abc import Callable
from pathlib import Path

import torch
from einops import rearrange
from torch import Tensor
from torch.nn.functional import pad

from cli.report import put_between
from ffrec.learning.connection import Connection, Masked
from ffrec.learning.fields import Bands
from ffrec.learning.fields.bands import ROWS

TYPES = {"bfloat16": torch.bfloat16, "float32": torch.float32}


class Tiles(Connection):
    """Square tiles of `tile` × `tile` places with weights of their own: the inputs of each are gathered, and
    those that a unit does not see are masked (the mask is all ones here: it takes as long). A tile of one
    place has nothing to mask."""

    def __init__(self, side: int, field: int, channels: int, tile: int, generator: torch.Generator) -> None:
        self.side, self.tile, self.margin, self.channels = side, tile, field // 2, channels
        self.count, self.wide = side // tile, tile + 2 * (field // 2)
        shape = (self.count**2, self.wide**2 * channels, tile**2 * channels)
        units = side**2 * channels
        super().__init__(units, units, shape, field**2 * channels, generator)
        self.register_buffer("mask", torch.ones(shape[1:]), persistent=False)
        self.mask: Tensor

    def seen(self, x: Tensor) -> Tensor:
        margin = (self.margin,) * 2
        maps = pad(x.view(-1, self.side, self.side, self.channels), (0, 0, *margin, *margin))
        tiles = maps.unfold(1, self.wide, self.tile).unfold(2, self.wide, self.tile)
        return rearrange(tiles, "rows down right c y x -> (down right) rows (y x c)")

    def forward(self, x: Tensor) -> Tensor:
        sent = torch.bmm(self.seen(x), self.working)
        axes = "(down right) rows (y x) -> rows (down y right x)"
        return rearrange(sent, axes, down=self.count, y=self.tile)

    def add_weight_grad(self, x: Tensor, delta: Tensor) -> None:
        axes = "rows (down y right x) -> (down right) rows (y x)"
        of_tiles = rearrange(delta, axes, down=self.count, right=self.count, y=self.tile)
        grad = torch.bmm(self.seen(x).mT, of_tiles)
        self.add_grad(grad if self.tile == 1 else grad.mul_(self.mask.to(grad.dtype)))


def ways(side: int, field: int, channels: int) -> dict[str, Callable[[], Connection]]:
    """Makers of one connection, computed in several ways."""
    drawn, units = torch.Generator().manual_seed(0), side**2 * channels
    found: dict[str, Callable[[], Connection]] = {
        "dense, under a mask": lambda: Masked(torch.ones(units, units), drawn),
        "place by place": lambda: Tiles(side, field, channels, 1, drawn),
    }
    for tile in (4, 8):
        found[f"tiles of {tile} × {tile}"] = lambda tile=tile: Tiles(side, field, channels, tile, drawn)
    for most in (1, 2, 4, 8):
        found[f"bands of {most}"] = lambda most=most: Bands(side, field, channels, channels, drawn, most)
    return found


def fastest(work: Callable[[], object], seconds: float) -> float:
    """Processor seconds of the fastest of several calls."""
    work()
    best, end = float("inf"), time.perf_counter() + seconds
    for turn in range(1000):
        if turn > 2 and time.perf_counter() > end:
            break
        start = time.process_time()
        work()
        best = min(best, time.process_time() - start)
    return best


def measured(connection: Connection, rows: int, seconds: float) -> tuple[float, float]:
    """Seconds of a product, and of a gradient."""
    drawn = torch.Generator().manual_seed(1)
    x, delta = (
        torch.randn(rows, units, generator=drawn).to(connection.dtype)
        for units in (connection.source_units, connection.units)
    )

    def gradient() -> None:
        connection.weight.grad = None
        connection.add_weight_grad(x, delta)

    return fastest(lambda: connection(x), seconds), fastest(gradient, seconds)


def table(asked: argparse.Namespace) -> str:
    """One line for every way: times over those of the bands that ffrec has."""
    lines = ["| way | weights, million | " + " | ".join(f"{t} x W | {t} xᵀ δ" for t in TYPES) + " |"]
    lines.append("|---|---|" + "---|" * 2 * len(TYPES))
    found, sizes = {}, {}
    for name, make in ways(asked.side, asked.field, asked.channels).items():
        connection, sizes[name] = make(), 0.0
        for word, dtype in TYPES.items():
            connection.arithmetic = dtype
            found[name, word] = measured(connection, asked.rows, asked.seconds)
            print(name, word, *(f"{1e3 * each:.1f} ms" for each in found[name, word]), flush=True)
        sizes[name] = connection.weight.numel() / 1e6
    for name, size in sizes.items():
        ratios = [
            f"{own / base:.1f}"
            for word in TYPES
            for own, base in zip(found[name, word], found[f"bands of {ROWS}", word], strict=True)
        ]
        lines.append(f"| {name} | {size:.2f} | {' | '.join(ratios)} |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    for name, default in {"side": 32, "field": 11, "channels": 3, "rows": 200}.items():
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--seconds", type=float, default=1.0, help="For each product and each gradient.")
    parser.add_argument("--into", type=Path, help="Put the table between <!-- bands --> and its end there.")
    asked = parser.parse_args()
    torch.set_num_threads(1)
    made = table(asked)
    print(made)
    if asked.into:
        put_between(asked.into, "bands", made)


if __name__ == "__main__":
    main()

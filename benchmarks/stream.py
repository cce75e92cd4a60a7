"""Memory of a network that learns while a video without an end streams through it.

    python benchmarks/stream.py [--frames 100000] [--units 200] [--device cpu]

A bright bar drifts over the image, up or down; its label says which. At every frame the recurrent network
makes one iteration with the true and with a wrong label, and all layers learn. Printed at every tenth: the
process's memory, frames a second, and how often the true label had the higher goodness.
"""

import argparse
import resource
import time
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import torch
from torch import Tensor

from ffrec import Recurrent, RecurrentConfig, Stream

SIDE, PAGE = 28, resource.getpagesize()


def camera(directions: Tensor, device: str) -> Iterator[Tensor]:
    """Frames `(batch, SIDE²)` of bars that go down (1) or up (0) a row at a time, without an end."""
    rows, place = torch.arange(SIDE, device=device), 0
    while True:
        bar = (place * (2 * directions - 1)).unsqueeze(1)
        bright = ((rows - bar) % SIDE < 4).float()
        yield bright.unsqueeze(2).expand(-1, -1, SIDE).flatten(1)
        place += 1


def memory() -> float:
    """MiB of memory that the process has now."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * PAGE / 2**20


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--frames", type=int, default=100_000)
    parser.add_argument("--units", type=int, default=200)
    parser.add_argument("--device", default="cpu")
    options = parser.parse_args()
    config = RecurrentConfig(hidden=(options.units, options.units))
    network = Recurrent(config, SIDE**2, 2, torch.Generator().manual_seed(0)).to(options.device)
    optimiser = torch.optim.SGD(network.layers.parameters(), lr=1e-3)
    true = torch.tensor([0, 1], device=options.device)
    stream = Stream(network, torch.stack([true, 1 - true], dim=1))
    signs = torch.tensor([1.0, -1.0], device=options.device)
    start, right, every = time.perf_counter(), 0.0, max(1, options.frames // 10)
    for step in islice(stream.steps(camera(true, options.device)), options.frames):
        right += stream.learn(signs).accuracy.mean().item() / every
        optimiser.step()
        network.recast()
        if step.number % every == 0:
            rate = step.number / (time.perf_counter() - start)
            print(f"frame {step.number:7}: {memory():7.1f} MiB, {rate:5.0f} frames/s, {right:.1%} right")
            right = 0.0


if __name__ == "__main__":
    main()

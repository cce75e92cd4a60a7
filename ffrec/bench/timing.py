"""Fair timing: variants take turns, and their fastest rounds are compared."""

import statistics
import time
from collections.abc import Callable, Mapping
from typing import NamedTuple

import torch

Run = Callable[[], object]
WARM_UP = 1  # rounds that are not counted: memory is found, and code is loaded
MOST = 200  # rounds, however short


class Timed(NamedTuple):
    """How long one variant took."""

    seconds: float
    """In its fastest round: what else the machine did only adds to that."""
    median: float
    """In half of the rounds, or less."""


def turns(
    variants: Mapping[str, Run], seconds: float, least: int = 3, device: torch.device | str = "cpu"
) -> dict[str, Timed]:
    """Seconds of every variant, run in turn, so that a busy moment falls on all of them.

    Rounds go on for so many seconds; at least `least` of them are counted.
    """
    found: dict[str, list[float]] = {name: [] for name in variants}
    end, rounds = time.perf_counter() + seconds, 0
    while rounds < WARM_UP + least or (time.perf_counter() < end and rounds < MOST):
        for name, run in variants.items():
            passed = timed(run, device)
            if rounds >= WARM_UP:
                found[name].append(passed)
        rounds += 1
    return {name: Timed(min(values), statistics.median(values)) for name, values in found.items()}


def timed(run: Run, device: torch.device | str = "cpu") -> float:
    """Seconds that one call takes, until the device is done."""
    synchronise(device)
    start = time.perf_counter()
    run()
    synchronise(device)
    return time.perf_counter() - start


def synchronise(device: torch.device | str) -> None:
    """Wait until a device has done all it was asked to do."""
    if torch.device(device).type == "cuda":
        torch.cuda.synchronize(device)

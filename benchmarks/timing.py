"""Fair timing: variants take turns, and medians are compared."""

import statistics
import time
from collections.abc import Callable

import torch


def medians(variants: dict[str, Callable[[], object]], repeat: int) -> dict[str, float]:
    """Median seconds of every variant, run in turn."""
    seconds: dict[str, list[float]] = {name: [] for name in variants}
    for round_ in range(repeat + 2):
        for name, run in variants.items():
            synchronise()
            start = time.perf_counter()
            run()
            synchronise()
            if round_ >= 2:  # two rounds warm up
                seconds[name].append(time.perf_counter() - start)
    return {name: statistics.median(values) for name, values in seconds.items()}


def synchronise() -> None:
    if torch.cuda.is_available():
        torch.cuda.synchronize()

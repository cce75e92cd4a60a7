"""How much memory a network needs to learn, found out before any of it is taken."""

import os
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import nn

from ffrec.config import ConfigError, OptimiserConfig
from ffrec.training.optimiser import rehearse

LIMITS = ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes")  # of a container
MEMINFO = "/proc/meminfo"
FLOAT32, BFLOAT16 = 4, 2  # bytes of a number
UNITS = ("B", "kB", "MB", "GB", "TB", "PB", "EB")


@dataclass(frozen=True)
class Estimate:
    """What a network has, and the bytes that weights, gradients and the optimiser's state take at least."""

    parameters: int
    bytes: int

    def __str__(self) -> str:
        return f"{self.parameters:,} parameters, {in_words(self.bytes)} with gradients and optimiser"


def planned(make: Callable[[torch.Generator], nn.Module]) -> nn.Module | None:
    """The network that `make(generator)` makes, with shapes alone: it takes no memory.

    None if it cannot be made so, as a plugin may read the numbers that it draws. Raises ConfigError for one
    whose weights no memory can hold.
    """
    try:
        with torch.device("meta"):
            return make(torch.Generator("cpu"))
    except ConfigError:
        raise
    except Exception as error:
        if "overflow" in str(error):
            raise ConfigError(
                "hidden: expected layers that fit into memory, found more than 2⁶³ bytes of weights: "
                "give fewer units"
            ) from None
        return None


def estimate(network: nn.Module, training: OptimiserConfig, arithmetic: str) -> Estimate:
    """Of weights, gradients and the optimiser's state in float32, and of a copy of the weights in bfloat16
    where products are in that type; buffers too. Activities come on top. Raises ConfigError."""
    weights = sum(weight.numel() for weight in network.parameters())
    buffers = sum(buffer.numel() for buffer in network.buffers())
    states = 2 if getattr(training, "states", "shared") == "separate" else 1
    numbers = 2 + states * rehearse(training, torch.device("cpu"))  # of float32, for each weight
    copied = BFLOAT16 if arithmetic == "bf16" else 0
    return Estimate(weights, weights * (FLOAT32 * numbers + copied) + buffers * FLOAT32)


def check_memory(
    make: Callable[[torch.Generator], nn.Module],
    training: OptimiserConfig,
    device: torch.device,
    arithmetic: str,
) -> None:
    """Raise ConfigError if weights, gradients and optimiser need more than the device has left."""
    network, there = planned(make), free(device)
    if network is None or there is None:
        return
    needed = estimate(network, training, arithmetic)
    if needed.bytes > there:
        raise ConfigError(
            f"hidden: expected a network that fits into the {in_words(there)} that {device.type} has left, "
            f"found {needed}: give fewer units"
        )


def in_words(count: int) -> str:
    """A number of bytes in the largest unit that leaves at least 1."""
    size, units = float(count), list(UNITS)
    while size >= 1000 and len(units) > 1:
        size, units = size / 1000, units[1:]
    return f"{size:.3g} {units[0]}"


def free(device: torch.device) -> int | None:
    """Bytes that can be had on a device; None if nobody says."""
    if device.type == "cuda":
        return torch.cuda.mem_get_info(device)[0] if torch.cuda.is_available() else None
    if device.type == "mps":
        return torch.mps.recommended_max_memory()
    found = [available(), *map(limit, LIMITS)]
    return min((there for there in found if there is not None), default=None)


def available() -> int | None:
    """Bytes of main memory that are free or can be freed; all of it where the system does not tell."""
    with suppress(OSError, ValueError):
        lines = dict(line.split(":") for line in Path(MEMINFO).read_text().splitlines())
        return int(lines["MemAvailable"].split()[0]) * 1024
    with suppress(OSError, ValueError, AttributeError):
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return None


def limit(file: str) -> int | None:
    """Bytes that a container may use; None if there is no limit."""
    with suppress(OSError, ValueError):
        return int(Path(file).read_text())
    return None

"""In which arithmetic the matrix products of training are computed: float32, tf32 or bfloat16."""

import contextlib
import sys
import time
from collections.abc import Iterator
from typing import Literal, get_args

import torch

from ffrec.config import ConfigError
from ffrec.networks.network import Classifier, Local

Precision = Literal["auto", "fp32", "tf32", "bf16"]
SIDE, TURNS = 512, 5  # of the square matrices whose products are timed, and how often
FASTER = 1.3  # times float32's speed that bfloat16 needs to be chosen


def pick_precision(name: str, device: torch.device) -> str:
    """fp32, tf32 (float32 weights and activities, products rounded; NVIDIA) or bf16 (float32 weights,
    bfloat16 products and activities); auto is bf16 where the device multiplies it fast, otherwise fp32.

    Raises ConfigError for another name, or where the device has no tf32.
    """
    if name not in get_args(Precision):
        raise ConfigError(f"precision: expected one of {', '.join(get_args(Precision))}, found {name!r}")
    if name == "tf32" and device.type != "cuda":
        raise ConfigError(f"precision: tf32 needs --device cuda, found {device.type}: use fp32")
    if name != "auto":
        return name
    return "bf16" if fast_bfloat16(device) else "fp32"


def fast_bfloat16(device: torch.device) -> bool:
    """Whether the device multiplies bfloat16 matrices faster than float32 ones: tried out, in
    milliseconds."""
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    if device.type != "cpu":
        return False
    return seconds(torch.float32) > FASTER * seconds(torch.bfloat16)


def seconds(dtype: torch.dtype) -> float:
    """What a product of square matrices takes on the CPU, at best: other work only ever adds to it."""
    square, taken = torch.ones(SIDE, SIDE, dtype=dtype), []
    for _ in range(TURNS):
        start = time.perf_counter()
        torch.mm(square, square)
        taken.append(time.perf_counter() - start)
    return min(taken)


@contextlib.contextmanager
def computing(network: Classifier, precision: str, device: torch.device) -> Iterator[None]:
    """Compute products in this precision inside the block: those of a network that learns locally by casting
    its weights once an update, those of others by autocast."""
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("high" if precision == "tf32" else "highest")
    local, low = isinstance(network, Local), precision == "bf16"
    try:
        if isinstance(network, Local):
            network.compute_in(torch.bfloat16 if low else None)
        with without_denormals(), torch.autocast(device.type, torch.bfloat16, enabled=low and not local):
            yield
    finally:
        if isinstance(network, Local):
            network.compute_in(None)
        torch.set_float32_matmul_precision(before)


@contextlib.contextmanager
def without_denormals() -> Iterator[None]:
    """Take denormal numbers, those below float32's smallest normal one of 1.2e-38, for zero inside the block,
    in this thread, and in torch's own if they start inside: the commands begin with it.

    A unit that falls silent has gradients of zero, and Adam's averages of them shrink until they are
    denormal. A CPU works on such numbers many times as slowly, and they never reach zero by themselves: 0.9
    times the smallest one is rounded to itself.
    """
    before = denormals_are_zero()
    torch.set_flush_denormal(True)
    try:
        yield
    finally:
        torch.set_flush_denormal(before)


def denormals_are_zero() -> bool:
    """Whether this thread takes denormal numbers for zero."""
    return not sys.float_info.min / 2

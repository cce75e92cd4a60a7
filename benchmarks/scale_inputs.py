"""What the simulator of docs/scale.md is told of this machine, measured.

Speeds are those of one thread, measured in one process, and in two at once: both cores then share memory and
caches. Four processes on two cores take turns: half the speed of two, and an all-reduce of their own.
"""

import contextlib
import multiprocessing
import os
import time
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import torch
import torch.distributed as dist
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from ffrec.training.images import ImageTrainer
from ffrec.training.trainer import precision

ROWS = (12, 25, 50, 100, 200, 400, 1200)
WIDTH, TURNS = 2000, 7
TYPES = {"fp32": torch.float32, "bf16": torch.bfloat16}
SIZES = (2**16, 2**20, 2**24)  # bytes of an all-reduce
PORT = "29511"


def fastest(work: Callable[[], object], turns: int = TURNS) -> float:
    """Seconds of the fastest turn."""
    found = []
    for _ in range(turns):
        start = time.perf_counter()
        work()
        found.append(time.perf_counter() - start)
    return min(found)


def products(dtype: torch.dtype) -> dict[str, dict[str, float]]:
    """Flops a second of products with a matrix of 2000 × 2000, by kind and rows; four matrices take turns,
    more than caches hold."""
    speeds: dict[str, dict[str, float]] = {"forward": {}, "grad": {}}
    weights = [torch.randn(WIDTH, WIDTH).to(dtype) for _ in range(4)]
    for rows in ROWS:
        x, delta = torch.randn(rows, WIDTH).to(dtype), torch.randn(rows, WIDTH).to(dtype)
        flops = 2 * rows * WIDTH * WIDTH * len(weights)
        speeds["forward"][str(rows)] = flops / fastest(lambda: [x @ w for w in weights])
        if dtype == torch.float32:  # in place: as the local update does
            seconds = fastest(lambda: [w.addmm_(x.T, delta, alpha=1e-9) for w in weights])
        else:
            seconds = fastest(lambda: [x.T @ delta for _ in weights])
        speeds["grad"][str(rows)] = flops / seconds
    return speeds


def memory() -> dict[str, float]:
    """Bytes a second of operations on activities (near) and on weights (far), and seconds of a small one."""
    many = torch.randn(16, 200, WIDTH).unbind()
    kinds: list[tuple[Callable[[torch.Tensor, torch.Tensor], object], int]] = [
        (lambda h, g: h.mul_(1.0), 2),
        (lambda h, g: torch.mul(h, 0.5, out=g), 2),
        (lambda h, g: g.relu_(), 2),
        (lambda h, g: g.add_(h), 3),
        (lambda h, g: torch.linalg.vector_norm(h, dim=1), 1),
        (lambda h, g: torch.lerp(h, g, 0.3), 3),
    ]

    def every() -> None:
        for h, g in pairwise(many):
            for work, _ in kinds:
                work(h, g)

    wide, tiny = torch.randn(4 * WIDTH, WIDTH), torch.randn(8)
    moved = sum(count for _, count in kinds) * many[0].nbytes * (len(many) - 1)
    return {
        "near": moved / fastest(every),
        "far": wide.nbytes / fastest(lambda: wide.zero_()),
        "call": fastest(lambda: [tiny.mul_(1.0) for _ in range(1000)]) / 1000,
    }


def optimiser() -> float:
    """Seconds a weight of the fused AdamW that recipes use."""
    weights = [torch.zeros(WIDTH, WIDTH) for _ in range(4)]
    for weight in weights:
        weight.grad = torch.zeros_like(weight)
    made = torch.optim.AdamW(weights, fused=True)
    return fastest(made.step) / sum(weight.numel() for weight in weights)


def exchanges() -> dict[str, list[list[float]]]:
    """Of an all-reduce, and of its halves as ffrec makes them: bytes, seconds, and the share of these in which
    a core is busy."""
    world, found = dist.get_world_size(), {}
    for name in ("all", "scatter", "gather"):
        found[name] = [exchange(name, size, world) for size in SIZES]
    return found


def exchange(name: str, size: int, world: int) -> list[float]:
    """One of them, with so many bytes."""
    held, turns = torch.zeros(size // 4), max(4, 2**25 // size)
    into, parts = torch.zeros(size // 4), held.chunk(world)

    def run() -> None:
        if name == "all":
            dist.all_reduce(held)
        elif name == "scatter":
            dist.all_to_all_single(into, held)
            for other in into.chunk(world)[1:]:
                into[: len(other)] += other
        else:
            for work in [dist.broadcast(part, rank, async_op=True) for rank, part in enumerate(parts)]:
                work.wait()

    run()
    seconds, busy = [], []
    for _ in range(5):
        dist.barrier()
        start, worked = time.perf_counter(), time.process_time()
        for _ in range(turns):
            run()
        seconds.append((time.perf_counter() - start) / turns)
        busy.append((time.process_time() - worked) / turns)
    return [size, min(seconds), min(1.0, min(busy) / min(seconds))]


def alone(rank: int, processes: int, what: str, found: Any) -> None:
    """One of several processes that measure the same at once."""
    torch.set_num_threads(1)
    os.environ |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": PORT}
    dist.init_process_group("gloo", rank=rank, world_size=processes)
    result: dict[str, Any] = {}
    if what == "speeds":
        for name, dtype in TYPES.items():
            dist.barrier()
            result[name] = products(dtype)
        dist.barrier()
        result |= memory()
        dist.barrier()
        result["weight"] = optimiser()
    else:
        result = exchanges()
    dist.barrier()
    if rank == 0:
        found.put(result)
    dist.destroy_process_group()


def together(processes: int, what: str) -> dict[str, Any]:
    """What the first of several processes that measure at once has found."""
    spawn = multiprocessing.get_context("spawn")
    found = spawn.Queue()
    workers = [spawn.Process(target=alone, args=(n, processes, what, found)) for n in range(processes)]
    for worker in workers:
        worker.start()
    result: dict[str, Any] = found.get(timeout=300)
    for worker in workers:
        worker.join()
    return result


class Traffic(TorchDispatchMode):
    """Counts operations and the bytes that they read and write, but for views, products, and optimisers."""

    def __init__(self) -> None:
        super().__init__()
        self.operations, self.bytes = 0, 0

    def __torch_dispatch__(
        self, function: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        result = function(*args, **(kwargs or {}))
        name = function.__name__
        if not (function.is_view or "mm" in name or "fused" in name):
            leaves = tree_leaves((args, kwargs, result))
            self.bytes += sum(x.nbytes for x in leaves if isinstance(x, torch.Tensor))
            self.operations += 1
        return result


def trainer_of(recipe: Any, width: int, cases: int, arithmetic: str) -> ImageTrainer:
    """A recipe's trainer with narrower layers, on random images."""
    drawn = torch.Generator().manual_seed(0)
    images = torch.randint(256, (cases, 28, 28), generator=drawn, dtype=torch.uint8)
    labels = torch.randint(10, (cases,), generator=drawn)
    changed = {"hidden": [width] * len(recipe.network.hidden), "batch": cases, "dropout": 0.0}
    return ImageTrainer(recipe.override(changed), images, labels, 10, arithmetic=arithmetic)


def traffic(recipe: Any, width: int, cases: int, arithmetic: str) -> Traffic:
    """Of one update."""
    trainer = trainer_of(recipe, width, cases, arithmetic)
    with torch.no_grad(), precision(arithmetic, torch.device("cpu")), contextlib.ExitStack() as stack:
        trainer.update(torch.arange(cases))
        trainer.step = 0
        counted = stack.enter_context(Traffic())
        trainer.update(torch.arange(cases))
    return counted


def habits(recipe: Any, arithmetic: str, work: Callable[[int, int], Any]) -> list[float]:
    """Bytes for an activity and for a weight, and operations, of an update: `Habits`, from two batches.

    `work` makes the formulas' `Work` of a width and a number of cases.
    """
    few, many = (traffic(recipe, 400, cases, arithmetic) for cases in (50, 100))
    one, two = (work(400, cases) for cases in (50, 100))
    activity = (many.bytes - few.bytes) / (two.formed - one.formed)
    weight = max(0.0, (few.bytes - activity * one.formed) / sum(one.weights.values()))
    return [activity, weight, many.operations]

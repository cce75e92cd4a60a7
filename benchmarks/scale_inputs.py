"""What the simulator of docs/scale.md knows of this machine, measured.

Speeds are those of one thread, measured in one process, and in two at once: both cores then share memory and
caches. Four processes on two cores take turns: half the speed of two, and an all-reduce of their own.
"""

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

from ffrec.bench.formulas import Computation
from ffrec.config import ImageRecipe, TextRecipe
from ffrec.training.arithmetic import computing
from ffrec.training.images import ImageTrainer
from ffrec.training.text import TextTrainer
from ffrec.training.trainer import Trainer

ROWS = (12, 25, 50, 100, 200, 1200)
WIDTH, NARROW, TURNS = 2000, 400, 5
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
    """Flops a second of products with a matrix of 2000 × 2000, by kind and rows."""
    weights = [torch.randn(WIDTH, WIDTH).to(dtype) for _ in range(4)]  # more than caches hold
    return {
        kind: {str(rows): product_speed(kind, rows, weights) for rows in ROWS} for kind in ("forward", "grad")
    }


def product_speed(kind: str, rows: int, weights: list[torch.Tensor]) -> float:
    """Flops a second of x W, or of xᵀ δ, for so many rows and each of the matrices."""
    x, delta = (torch.randn(rows, WIDTH).to(weights[0].dtype) for _ in range(2))

    def run() -> None:
        for weight in weights:
            if kind == "forward":
                torch.mm(x, weight)
            elif weight.dtype == torch.float32:  # in place, as the local update does
                weight.addmm_(x.T, delta, alpha=1e-9)
            else:
                torch.mm(x.T, delta)

    return 2 * rows * WIDTH * WIDTH * len(weights) / fastest(run)


def memory() -> dict[str, float]:
    """Bytes a second of operations on activities (near) and on weights (far), and seconds of a small one."""
    activities, wide, tiny = (
        torch.randn(16, 200, WIDTH).unbind(),
        torch.randn(4 * WIDTH, WIDTH),
        torch.randn(8),
    )

    def every() -> None:
        for h, g in pairwise(activities):
            h.mul_(1.0)
            torch.mul(h, 0.5, out=g)
            g.relu_()
            g.add_(h)
            torch.linalg.vector_norm(h, dim=1)
            torch.lerp(h, g, 0.3)

    moved = 13 * activities[0].nbytes * (len(activities) - 1)  # 2 + 2 + 2 + 3 + 1 + 3 activities for each
    return {
        "near": moved / fastest(every),
        "far": wide.nbytes / fastest(wide.zero_),
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
    """Of an all-reduce, and of its halves as ffrec makes them: bytes, seconds, and the share of these that a
    core is busy."""
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


def image_update(recipe: ImageRecipe, cases: int, arithmetic: str) -> Callable[[], object]:
    """One update of a recipe on random images."""
    drawn = torch.Generator().manual_seed(0)
    images = torch.randint(256, (cases, 28, 28), generator=drawn, dtype=torch.uint8)
    labels = torch.randint(10, (cases,), generator=drawn)
    chosen = recipe.override({"batch": cases, "dropout": 0.0})
    trainer = ImageTrainer(chosen, images, labels, 10, arithmetic=arithmetic)
    return lambda: under(trainer, lambda: trainer.update(torch.arange(cases)))


def text_update(recipe: TextRecipe, cases: int, arithmetic: str) -> Callable[[], object]:
    """One update of a recipe on random strings, each of 90 windows with a character after them."""
    count = cases // 90
    strings = torch.randint(30, (count, 100), generator=torch.Generator().manual_seed(0))
    trainer = TextTrainer(recipe.override({"batch": count}), strings, 30, arithmetic=arithmetic)
    return lambda: under(trainer, lambda: trainer.learn(torch.arange(count), "both"))


def under(trainer: Trainer, work: Callable[[], object]) -> None:
    """Do it in the trainer's arithmetic."""
    with torch.no_grad(), computing(trainer.network, trainer.arithmetic, trainer.device):
        work()


def traffic(update: Callable[[], object]) -> Traffic:
    """Of the second update: the first makes what is kept."""
    update()
    with Traffic() as counted:
        update()
    return counted


def habits(
    recipe: ImageRecipe | TextRecipe, arithmetic: str, work: Callable[[int, int], Computation]
) -> list[float]:
    """Bytes for an activity and for a weight, and operations, of an update: `Habits`, from two batches.

    `work` makes the formulas' `Computation` of a width and a number of cases.
    """
    make: Any = text_update if isinstance(recipe, TextRecipe) else image_update
    narrow = recipe.override({"hidden": [NARROW] * len(recipe.network.hidden)})
    few, many = (traffic(make(narrow, cases, arithmetic)) for cases in (90, 180))
    one, two = (work(NARROW, cases) for cases in (90, 180))
    activity = (many.bytes - few.bytes) / (two.formed - one.formed)
    weight = max(0.0, (few.bytes - activity * one.formed) / sum(one.weights.values()))
    return [round(activity, 2), round(weight, 2), many.operations]


def best(held: Any, new: Any) -> Any:
    """The best of two measurements of the same: a machine that does something else only looks slower.

    Speeds are higher and seconds lower; an exchange is a list of bytes, seconds and a share.
    """
    if isinstance(new, dict):
        return {key: best(held[key], value) if key in held else value for key, value in new.items()}
    if isinstance(new, list):
        if isinstance(new[0], list):
            return [best(one, two) for one, two in zip(held, new, strict=True)]
        return min(held, new, key=lambda row: row[1])
    return max(held, new) if new > 1 else min(held, new)


def add_round(inputs: dict[str, Any], nets: dict[str, Any]) -> dict[str, Any]:
    """The stored inputs with one more round: speeds keep their best, habits are counted anew."""
    new: dict[str, Any] = {
        "speeds": {str(n): together(n, "speeds") for n in (1, 2)},
        "exchanges": {str(n): together(n, "exchanges") for n in (2, 4)},
    }
    found = {name: best(inputs[name], value) if name in inputs else value for name, value in new.items()}
    counted = {
        name: {arithmetic: habits(net.recipe, arithmetic, net.work) for arithmetic in TYPES}
        for name, net in nets.items()
    }
    return inputs | found | {"habits": counted, "torch": torch.__version__}

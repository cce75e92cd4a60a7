"""Images a second on several processes of one thread each, over those of one process of one thread.

    python benchmarks/parallel.py [--recipe supervised-mnist] [--processes 2] [--seconds 8] [--parts]

The processes share every batch of the recipe. Images are random: their values do not matter for speed. One
process is timed while the others wait, then all of them together, in turns; medians of the turns are printed.
"""

import argparse
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any, NamedTuple

import torch
import torch.distributed as dist

from ffrec.parallel.team import Team, launched, leave
from ffrec.recipes import recipe
from ffrec.training.events import Update
from ffrec.training.images import ImageTrainer

IMAGES = 2000
TURNS = 3


def trainer(name: str, batch: int | None, precision: str) -> ImageTrainer:
    """A trainer of a recipe on random images."""
    chosen = recipe(name)
    chosen = chosen.override({"epochs": 1000} | ({"batch": batch} if batch else {}))
    drawn = torch.Generator().manual_seed(0)
    images = torch.randint(256, (IMAGES, 28, 28), generator=drawn, dtype=torch.uint8)
    return ImageTrainer(
        chosen, images, torch.randint(10, (IMAGES,), generator=drawn), 10, arithmetic=precision
    )


class Taken(NamedTuple):
    """Seconds."""

    wall: float
    processor: float
    """Of this process, all its threads together: it does not count waiting, nor what others do."""


def seconds(trained: ImageTrainer, updates: int) -> Taken:
    """Of an update, on average over so many, as the training loop makes them."""
    events, done = trained.run(), 0
    start, busy = time.perf_counter(), time.process_time()
    for event in events:
        done += isinstance(event, Update)
        if done == updates:
            trained.sharing.settle()
            return Taken((time.perf_counter() - start) / updates, (time.process_time() - busy) / updates)
    raise RuntimeError("too few epochs")


def spent(trained: ImageTrainer, updates: int) -> dict[str, float]:
    """Milliseconds of an update that this process waits for others, by what it waits for."""
    found: dict[str, float] = {}

    def timed(name: str) -> None:
        method: Callable[..., Any] = getattr(trained.sharing, name)

        def wrapped(*arguments: Any, **options: Any) -> Any:
            start = time.perf_counter()
            result = method(*arguments, **options)
            found[name] = found.get(name, 0.0) + 1000 * (time.perf_counter() - start) / updates
            return result

        setattr(trained.sharing, name, wrapped)

    for name in ("ready", "finish", "spread", "settle"):
        timed(name)
    step = trained.optimiser.step

    def stepped(*arguments: Any, **options: Any) -> Any:
        start = time.perf_counter()
        result = step(*arguments, **options)
        found["optimiser"] = found.get("optimiser", 0.0) + 1000 * (time.perf_counter() - start) / updates
        return result

    trained.optimiser.step = stepped  # type: ignore[method-assign]
    found["update"] = 1000 * seconds(trained, updates).wall
    return found


def compare(team: Team, options: argparse.Namespace, precision: str, every: int) -> None:
    """Print one line of the table."""
    alone = trainer(options.recipe, options.batch, precision) if team.first else None
    together = trainer(options.recipe, options.batch, precision)
    together.join(team, sync_every=every)
    count = torch.zeros(1, dtype=torch.int64)
    if alone:
        seconds(alone, 3)
        count += max(5, round(options.seconds / seconds(alone, 5).wall))
    team.sum_(count)
    seconds(together, 3)
    updates = int(count)
    one: list[Taken] = []
    all_: list[Taken] = []
    for _ in range(TURNS):
        dist.barrier()
        if alone:
            one.append(seconds(alone, updates))
        dist.barrier()
        all_.append(seconds(together, updates))
    if team.first:
        single, joint = (statistics.median(taken.wall for taken in turns) for turns in (one, all_))
        busy, shared = (1000 * statistics.median(taken.processor for taken in turns) for turns in (one, all_))
        batch = together.recipe.training.batch
        print(
            f"{precision}, K = {every:2d}: {batch / single:7.0f} images/s on one process, "
            f"{batch / joint:7.0f} on {team.world}: {single / joint:.2f} times "
            f"({1000 * single:.1f} and {1000 * joint:.1f} ms an update; the first process is busy for "
            f"{busy:.1f} and {shared:.1f} ms)",
            flush=True,
        )
    if options.parts:
        parts = spent(together, updates)
        if team.first:
            print("    " + ", ".join(f"{name} {ms:.1f} ms" for name, ms in parts.items()), flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--recipe", default="supervised-mnist")
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--seconds", type=float, default=8, help="of each measurement")
    parser.add_argument("--batch", type=int, help="images of an update, in place of the recipe's")
    parser.add_argument("--precision", nargs="+", default=["fp32", "bf16"])
    parser.add_argument("--every", nargs="+", type=int, default=[1, 10])
    parser.add_argument("--parts", action="store_true", help="also print what an update waits for")
    options = parser.parse_args()
    if not launched():
        run = [sys.executable, "-m", "torch.distributed.run", "--standalone"]
        run += ["--nproc-per-node", str(options.processes), *sys.argv]
        sys.exit(subprocess.run(run, env={**os.environ, "OMP_NUM_THREADS": "1"}).returncode)
    torch.set_num_threads(1)
    with Team.start(torch.device("cpu")) as team:
        for precision in options.precision:
            for every in options.every:
                compare(team, options, precision, every)
    leave()


if __name__ == "__main__":
    main()

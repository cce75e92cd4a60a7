"""The most memory that an update needs beyond what was there before: local learning over backpropagation.

    python benchmarks/memory.py [--recipe conv-cifar10] [--batch 500] [--device cpu] [--into PAGE]
    python benchmarks/memory.py --variants mnist [--batch 500] [--device cpu] [--into PAGE]

A recipe, `backprop-RECIPE` and `deep-RECIPE`, or every rule of `ffrec sweep variants` on a data set, each
learn from a batch of random images, in a process of its own and in both precisions. A small batch goes before
it, so that what torch loads and keeps at a first update does not count. What counts on a CPU is the resident
memory of the process, and on a GPU what torch has allocated there.
"""

import argparse
import os
import re
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import torch
from measuring import present

import corpora
import ffrec
from ffrec.bench.works import under
from ffrec.config import ImageRecipe
from ffrec.reports.tables import table
from ffrec.studies.rules import CELLS, DATA
from ffrec.studies.variants import recipe_of
from ffrec.tasks.images import new_trainer

CLASSES, WARM = 10, 10
PRECISIONS = ("bf16", "fp32")
RETURNED = {"MALLOC_MMAP_THRESHOLD_": "65536", "MALLOC_TRIM_THRESHOLD_": "0"}
"""What makes the C library give freed memory back at once, so that a peak is one."""


def recipe_named(name: str) -> ImageRecipe:
    """A recipe, or a cell of the sweep of variants."""
    found = recipe_of(name, {}) if name in CELLS else ffrec.recipe(name)
    assert isinstance(found, ImageRecipe)
    return found


def images_of(count: int, data: str) -> tuple[torch.Tensor, torch.Tensor]:
    """Random images of the shape of a data set's, with labels."""
    drawn = torch.Generator().manual_seed(0)
    shape = corpora.DATASETS[data].description.shape
    pixels = torch.randint(256, (count, *shape), generator=drawn, dtype=torch.uint8)
    return pixels, torch.randint(CLASSES, (count,), generator=drawn)


def held(device: torch.device, peak: bool) -> int:
    """Bytes in use, now or at the most since `forget`."""
    if device.type == "cuda":
        return (torch.cuda.max_memory_allocated if peak else torch.cuda.memory_allocated)(device)
    found = re.search(rf"{'VmHWM' if peak else 'VmRSS'}:\s+(\d+) kB", Path("/proc/self/status").read_text())
    assert found
    return 1024 * int(found[1])


def forget(device: torch.device) -> None:
    """Let the peak begin anew."""
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
    else:
        Path("/proc/self/clear_refs").write_text("5")


def update(name: str, batch: int, precision: str, device: torch.device) -> Callable[[int], None]:
    """One update of a recipe's network from so many of a batch of random images."""
    made = recipe_named(name).override({"batch": batch})
    trainer = new_trainer(made, *images_of(batch, made.data), CLASSES, device=device, arithmetic=precision)
    index = torch.arange(batch, device=device)
    return lambda count: under(trainer, lambda: trainer.update(trainer.part(index[:count])))()


def measure(name: str, batch: int, precision: str, device: torch.device) -> int:
    """The bytes of one recipe."""
    run = update(name, batch, precision, device)
    for count in (WARM, batch):
        before = held(device, peak=False)
        forget(device)
        run(count)
    return held(device, peak=True) - before


def measured(name: str, precision: str, asked: argparse.Namespace) -> int:
    """The same in a process of its own."""
    command = [sys.executable, __file__, "--of", name, precision]
    command += ["--batch", str(asked.batch), "--device", asked.device]
    done = subprocess.run(
        command, env={**os.environ, **RETURNED}, text=True, stdout=subprocess.PIPE, check=True
    )
    return int(done.stdout)


def rows_of(asked: argparse.Namespace) -> tuple[str, list[str]]:
    """What backpropagation is, and the names of all rows."""
    if asked.variants:
        names = [f"{asked.variants}-{name}" for name in DATA[asked.variants].variants]
        return f"{asked.variants}-backprop", names
    baseline = f"backprop-{asked.recipe}"
    return baseline, [asked.recipe, baseline, f"deep-{asked.recipe}"]


def beside(baseline: str, unit: str, found: Mapping[str, Mapping[str, float]]) -> str:
    """A table of the figures of every precision, and of their ratios to the baseline's."""
    names = [*next(iter(found.values()))]
    head, rows = ["learns by"], [[f"`{name}`"] for name in names]
    for precision, figures in found.items():
        head += [f"{precision}, {unit}", "over backpropagation"]
        for row, figure in zip(rows, figures.values(), strict=True):
            row += [f"{figure:.0f}", f"{figure / figures[baseline]:.2f}"]
    return table(head, rows)


def shown(asked: argparse.Namespace) -> str:
    """A table of all recipes and precisions."""
    baseline, names = rows_of(asked)
    found = {
        precision: {name: measured(name, precision, asked) / 1e6 for name in names}
        for precision in PRECISIONS
    }
    return beside(baseline, "MB", found)


def marker(what: str, asked: argparse.Namespace) -> str:
    """The name of the marker lines of a table."""
    return f"{what}-{asked.variants}" if asked.variants else what


def asking(about: str, batch: int) -> argparse.ArgumentParser:
    """What says which rows are measured, and how."""
    made = argparse.ArgumentParser(description=about.splitlines()[0])
    named = made.add_mutually_exclusive_group()
    named.add_argument("--recipe", default="conv-cifar10")
    named.add_argument("--variants", choices=DATA)
    made.add_argument("--batch", type=int, default=batch)
    made.add_argument("--device", default="cpu")
    made.add_argument("--into", type=Path)
    return made


def main() -> None:
    parser = asking(__doc__, batch=500)
    parser.add_argument("--of", nargs=2, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.of:
        print(measure(asked.of[0], asked.batch, asked.of[1], torch.device(asked.device)))
    else:
        present(shown(asked), marker("memory", asked), asked.into)


if __name__ == "__main__":
    main()

"""What locks, hashes and checks cost: their share of the time of training, in one run.

    python benchmarks/guards.py [--recipe recurrent-mnist-small] [--epochs 1]

Each guard is timed where it is called, by the processor time of the process, so that others at work on the
machine do not count. The training is timed from the reading of its data to its result. Guards of an epoch
come again with each; those of a start come once, however many epochs follow. What torch imports at the first
step of any optimiser is imported before: every training needs it.
"""

import argparse
import pkgutil
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from cli.__main__ import run

GUARDS = {
    "SHA-256 of files": ["corpora.checksums.compare"],
    "SHA-256 of the data": ["corpora.Corpus.sha256.func"],
    "SHA-256 of checkpoints": ["hashlib.sha256"],
    "locks and tidying": [f"ffrec.storage.run_folder.{name}" for name in ("lock_run", "unlock_run", "clean")],
    "memory, options": ["ffrec.training.images.check_memory", "ffrec.training.optimiser.rehearse"],
    "collapse": [f"ffrec.training.trainer.{name}" for name in ("share_on", "dead", "saturated")],
}
"""What guards do, and the functions that do it, by the names that they are called by."""

START = ("SHA-256 of files", "SHA-256 of the data", "memory, options")
"""Guards of a start; all others are of an epoch."""

spent: dict[str, float] = defaultdict(float)
within: list[str] = []
"""The guards that are at work: one within another is counted once."""


def timed(name: str, act: Callable[..., Any]) -> Callable[..., Any]:
    """The same function, whose time is added to that of a guard."""

    def call(*args: Any, **options: Any) -> Any:
        start = time.process_time()
        within.append(name)
        try:
            return act(*args, **options)
        finally:
            within.pop()
            if not within:
                spent[name] += time.process_time() - start

    return call


def plant(name: str, path: str) -> None:
    """Time a function, by the place that it is called from."""
    place, _, attribute = path.rpartition(".")
    owner = pkgutil.resolve_name(place)
    setattr(owner, attribute, timed(name, getattr(owner, attribute)))


def first_step() -> None:
    """Let torch import what it needs to step an optimiser."""
    weight = torch.zeros(1, requires_grad=True)
    weight.grad = torch.zeros(1)
    torch.optim.AdamW([weight]).step()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--recipe", default="recurrent-mnist-small")
    parser.add_argument("--epochs", type=int, default=1)
    asked = parser.parse_args()
    pkgutil.resolve_name("cli.train")
    first_step()
    for name, paths in GUARDS.items():
        for path in paths:
            plant(name, path)
    with tempfile.TemporaryDirectory() as folder:
        words = ["train", asked.recipe, "--set", f"epochs={asked.epochs}", "--out", str(Path(folder) / "run")]
        start = time.process_time()
        code = run([*words, "--device", "cpu"])
        whole = time.process_time() - start
    if code:
        raise SystemExit(code)
    for name in GUARDS:
        print(f"{name:24} {spent[name]:7.3f} s {100 * spent[name] / whole:6.2f} %")
    for when, total in {
        "once a start": sum(spent[name] for name in START),
        "in every epoch": sum(spent.values()) - sum(spent[name] for name in START),
    }.items():
        print(f"{when:24} {total:7.3f} s {100 * total / whole:6.2f} % of {whole:.1f} s ({asked.epochs})")


if __name__ == "__main__":
    main()

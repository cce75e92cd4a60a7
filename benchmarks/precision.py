"""Test results of small recipes in float32 and in bfloat16: what differs beyond what seeds differ by.

    python benchmarks/precision.py [--folder runs/precision] [--into docs/results.md] [RECIPE …]

Trains what the folder does not hold yet, in one thread. Prints what its runs reached, and a table of them.
"""

import argparse
import math
import os
import statistics
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

from cli.report import put_between
from ffrec.storage.run_folder import RunFolder

RECIPES = ("recurrent-digits", "supervised-digits", "sleep-digits-cure", "fables")
ARITHMETICS, SEEDS = ("fp32", "bf16"), (0, 1, 2)
MEASURES = {
    "error_goodness": "error by goodness, %",
    "error_softmax": "error by softmax, %",
    "perplexity": "perplexity",
}


class Group(NamedTuple):
    """The test results of one recipe in one arithmetic, by seed."""

    values: list[float]

    @property
    def mean(self) -> float:
        return statistics.mean(self.values)

    @property
    def spread(self) -> float:
        """Standard deviation over the seeds."""
        return statistics.stdev(self.values) if len(self.values) > 1 else math.nan

    def __str__(self) -> str:
        spread = f" ± {self.spread:.2f}" if len(self.values) > 1 else ""
        return f"{self.mean:.2f}{spread}"


def train(recipe: str, arithmetic: str, seed: int, folder: Path) -> None:
    """Train one run, unless it has ended; one that was stopped goes on."""
    out = folder / f"{recipe}-{arithmetic}-{seed}"
    if (out / "result.json").exists():
        return
    line = [sys.executable, "-m", "cli", "train", recipe, "--seed", str(seed), "--precision", arithmetic]
    line += ["--device", "cpu", "--out", str(out), "--resume"]
    done = subprocess.run(line, env=os.environ | {"OMP_NUM_THREADS": "1"}, stdout=subprocess.DEVNULL)
    if done.returncode:
        sys.exit(done.returncode)


def groups(folder: Path) -> dict[tuple[str, str, str], Group]:
    """Test results by recipe, measure and arithmetic."""
    found: dict[tuple[str, str, str], Group] = {}
    for path in sorted(folder.glob("*/result.json")):
        run = RunFolder.open(path.parent)
        test = (run.read_json("result.json") or {})["test"]
        for measure in MEASURES.keys() & test.keys():
            key = (run.config["recipe"]["name"], measure, run.config["precision"])
            found.setdefault(key, Group([])).values.append(test[measure])
    return found


def table(folder: Path) -> str:
    """One line for every recipe and measure; t is the difference of means over its standard error."""
    found = groups(folder)
    lines = [
        "| recipe | test result | seeds | float32 | bfloat16 | difference | t |",
        "|---|---|---|---|---|---|---|",
    ]
    for name, measure in sorted({key[:2] for key in found}):
        full, half = (found.get((name, measure, arithmetic)) for arithmetic in ARITHMETICS)
        if not full or not half:
            continue
        error = math.sqrt(full.spread**2 / len(full.values) + half.spread**2 / len(half.values))
        t = f"{(half.mean - full.mean) / error:+.1f}" if error > 0 else "–"
        seeds, apart = f"{len(full.values)} and {len(half.values)}", half.mean - full.mean
        lines.append(f"| `{name}` | {MEASURES[measure]} | {seeds} | {full} | {half} | {apart:+.2f} | {t} |")
    return "\n".join(lines)


def runs(folder: Path) -> str:
    """The test results of every seed."""
    return "\n".join(
        f"{name}, {measure}, {arithmetic}: {', '.join(f'{value:.2f}' for value in group.values)}"
        for (name, measure, arithmetic), group in sorted(groups(folder).items())
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("recipes", nargs="*", default=RECIPES)
    parser.add_argument("--folder", type=Path, default=Path("runs/precision"))
    parser.add_argument("--only-print", action="store_true", help="Train nothing.")
    parser.add_argument(
        "--into", type=Path, help="Put the table between <!-- precision --> and its end there."
    )
    asked = parser.parse_args()
    for recipe in () if asked.only_print else asked.recipes:
        for seed in SEEDS:
            for arithmetic in ARITHMETICS:
                train(recipe, arithmetic, seed, asked.folder)
    print(f"{runs(asked.folder)}\n\n{table(asked.folder)}")
    if asked.into:
        put_between(asked.into, "precision", table(asked.folder))


if __name__ == "__main__":
    main()

"""Test error on MNIST when processes learn alone for K updates and then average their weights.

    python benchmarks/local_sgd.py [--epochs 4] [--seeds 1] [--out results/local-sgd.txt]

Every row is `torchrun --nproc-per-node N -m cli train supervised-mnist --sync-every K`, two layers of 500.
The batch of 100 is divided between the processes, so that all rows see the same images equally often.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parent.parent
EVERY = (1, 10, 100, 1000)
PROCESSES = (2, 4)
MOMENTUM = 0.9
SMALL = {"hidden": "[500,500]", "validate_every": "100"}


def error(folder: Path, seed: int, epochs: int, processes: int, every: int, momentum: float) -> float:
    """The test error by goodness, in percent, of one run."""
    out = folder / f"{processes}-{every}-{momentum}-{seed}"
    command = [sys.executable, "-m"]
    if processes > 1:
        command += ["torch.distributed.run", "--standalone", "--nproc-per-node", str(processes), "-m"]
    command += ["cli", "train", "supervised-mnist", "--precision", "fp32", "--seed", str(seed)]
    for name, value in {**SMALL, "epochs": str(epochs)}.items():
        command += ["--set", f"{name}={value}"]
    if every > 1:
        command += ["--sync-every", str(every), "--outer-momentum", str(momentum)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    subprocess.run([*command, "--out", str(out)], cwd=ROOT, env=environment, check=True, capture_output=True)
    return float(json.loads((out / "result.json").read_text())["test"]["error_goodness"])


def row(name: str, errors: list[float]) -> str:
    """One line of the table."""
    spread = f" ± {statistics.stdev(errors):.2f}" if len(errors) > 1 else ""
    return f"{name:<44} {statistics.mean(errors):.2f}{spread}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--epochs", type=int, default=4)
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    lines = [
        f"Test error (%) on MNIST, supervised-mnist with hidden=[500,500], {options.epochs} epochs, float32, "
        f"{options.seeds} seed(s).",
        "K updates alone, then an average; the batch of 100 is divided between the processes.",
        "",
    ]
    rows = [(1, 1, 0.0), *((n, every, 0.0) for n in PROCESSES for every in EVERY)]
    rows += [(n, 100, MOMENTUM) for n in PROCESSES]
    with tempfile.TemporaryDirectory() as folder:
        for processes, every, momentum in rows:
            name = f"{processes} processes, K = {every}" if processes > 1 else "1 process"
            name += f", outer momentum {momentum}" if momentum else ""
            found = [
                error(Path(folder), seed, options.epochs, processes, every, momentum)
                for seed in range(options.seeds)
            ]
            lines.append(row(name, found))
            print(lines[-1], flush=True)
            if options.out:
                options.out.write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()

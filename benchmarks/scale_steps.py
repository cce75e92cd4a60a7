"""Measured steps of runs in 1, 2 and 4 processes of one thread each, on random images."""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

IMAGES, EPOCHS, BATCH = 800, 3, 100
NETWORKS = ("supervised-mnist", "unsupervised-mnist", "recurrent-mnist")
ARITHMETICS = ("fp32", "bf16")


def runs() -> Iterator[dict[str, Any]]:
    """What is trained, and how."""
    for network in NETWORKS:
        for arithmetic in ARITHMETICS:
            ways = [("alone", 1), ("data parallel", 2), ("data parallel", 4)]
            ways += [("pipeline", 2)] * (network == "unsupervised-mnist")
            ways += [("average after 10", 2)] * (network == "supervised-mnist")
            for way, processes in ways:
                yield {"network": network, "arithmetic": arithmetic, "way": way, "processes": processes}


def command(run: dict[str, Any], images: Path, out: Path) -> list[str]:
    launch = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(run["processes"])]
    line = [sys.executable, *(launch if run["processes"] > 1 else []), "-m", "cli", "train", run["network"]]
    line += ["--images", str(images), "--precision", run["arithmetic"], "--out", str(out), "--device", "cpu"]
    for setting in (f"epochs={EPOCHS}", f"validate_every={EPOCHS}", "dropout=0.0", f"batch={BATCH}"):
        line += ["--set", setting]
    if run["way"] == "pipeline":
        line.append("--pipeline")
    if run["way"].startswith("average"):
        line += ["--sync-every", run["way"].split()[-1]]
    return line


def seconds(run: dict[str, Any], images: Path, out: Path) -> float | None:
    """Of an update in the fastest epoch; None, with what it said, if the run failed."""
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    done = subprocess.run(command(run, images, out), env=environment, capture_output=True, text=True)
    if done.returncode:
        print(run, (done.stderr.splitlines() or ["nothing said"])[-1], file=sys.stderr)
        return None
    records = [json.loads(line) for line in (out / "metrics.jsonl").read_text().splitlines()]
    return float(BATCH / max(record["images_per_second"] for record in records))


def merged(held: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """All runs that work, with the fastest step of this round and those before."""
    known = {json.dumps({k: v for k, v in step.items() if k != "seconds"}): step["seconds"] for step in held}
    found = []
    with tempfile.TemporaryDirectory() as folder:
        drawn, images = np.random.default_rng(0), Path(folder) / "images.npz"
        x = drawn.integers(0, 256, (IMAGES + 200, 28, 28), dtype=np.uint8)
        y = np.arange(IMAGES + 200) % 10
        np.savez(images, x_train=x[:IMAGES], y_train=y[:IMAGES], x_test=x[IMAGES:], y_test=y[IMAGES:])
        for number, run in enumerate(runs()):
            new = seconds(run, images, Path(folder) / str(number))
            both = [s for s in (new, known.get(json.dumps(run))) if s is not None]
            found += [run | {"seconds": min(both)}] if both else []
    return found

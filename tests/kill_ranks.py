"""Kill random processes of runs under `torchrun --max-restarts`: they end as if nothing had been.

    python tests/kill_ranks.py [--runs 20] [--processes 2] [--kills 1] [--folder FOLDER]

Every run is trained twice by the same command, once undisturbed; SIGKILL hits one process after another at
random times. The checkpoints that both end with have to hold the same bits. Exits with 1 if any does not.
"""

import argparse
import hashlib
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).parent.parent
TRAIN = ("supervised-digits", "--set", "hidden=[60,60]", "--set", "epochs=8", "--set", "validate_every=2")
TRAIN += ("--precision", "fp32")


def torchrun(processes: int, restarts: int, *arguments: str) -> list[str]:
    """The command line of a run on several processes of this machine."""
    start = [sys.executable, "-m", "torch.distributed.run", "--standalone"]
    start += ["--nproc-per-node", str(processes), "--max-restarts", str(restarts)]
    return [*start, "-m", "cli", "train", *arguments]


def start(processes: int, restarts: int, *arguments: str) -> subprocess.Popen[str]:
    """Start such a run."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    command = torchrun(processes, restarts, *arguments)
    return subprocess.Popen(
        command, cwd=ROOT, env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )


def ranks(agent: int) -> list[int]:
    """The processes that a torchrun has started and that live."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                fields = (entry / "stat").read_text().rpartition(")")[2].split()
            except OSError:
                continue
            if int(fields[1]) == agent and fields[0] != "Z":
                found.append(int(entry.name))
    return found


def weights(run: Path) -> str:
    """The SHA-256 of the last weights in a run folder; empty if there are none."""
    files = sorted(run.glob("checkpoints/step-*/weights.safetensors"))
    return weights_of(files[-1].parent) if files else ""


def weights_of(checkpoint: Path) -> str:
    """The SHA-256 of the weights in a checkpoint."""
    return hashlib.sha256((checkpoint / "weights.safetensors").read_bytes()).hexdigest()


def survives(run: Path, processes: int, times: list[float], drawn: random.Random) -> tuple[int, int]:
    """Train into `run`, and kill a process so many seconds after the last; exit code, and how many died."""
    process, killed = start(processes, len(times), *TRAIN, "--out", str(run)), 0
    for wait in times:
        deadline = time.monotonic() + wait
        while time.monotonic() < deadline and process.poll() is None:
            time.sleep(0.02)
        if process.poll() is None and (alive := ranks(process.pid)):
            os.kill(drawn.choice(alive), signal.SIGKILL)
            killed += 1
    process.communicate()
    return process.returncode, killed


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=20)
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--kills", type=int, default=1, help="of each run")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    drawn, good, hit = random.Random(options.seed), 0, 0
    with tempfile.TemporaryDirectory() as folder:
        whole = Path(folder) / "whole"
        begun = time.monotonic()
        survives(whole, options.processes, [], drawn)
        lasted, expected = time.monotonic() - begun, weights(whole)
        print(f"undisturbed: {lasted:.0f} s, weights {expected[:16]}", flush=True)
        for number in range(1, options.runs + 1):
            run = Path(folder) / str(number)
            times = [drawn.uniform(0.1, 1.0) * lasted for _ in range(options.kills)]
            code, killed = survives(run, options.processes, times, drawn)
            same = code == 0 and weights(run) == expected and (run / "result.json").is_file()
            good, hit = good + same, hit + killed
            print(f"run {number}: {killed} killed, exit code {code}, same weights: {same}", flush=True)
    print(f"{good} of {options.runs} runs, in which {hit} processes were killed, end with the same weights")
    sys.exit(good != options.runs or not expected)


if __name__ == "__main__":
    main()

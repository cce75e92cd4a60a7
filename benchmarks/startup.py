"""How long `ffrec --help` takes, as a ratio to importing torch, each in a fresh process, taking turns.

python benchmarks/startup.py
"""

import statistics
import subprocess
import sys
import time

COMMANDS = {"ffrec --help": ["-m", "cli", "--help"], "import torch": ["-c", "import torch"]}


def main() -> None:
    seconds: dict[str, list[float]] = {name: [] for name in COMMANDS}
    for _ in range(7):
        for name, arguments in COMMANDS.items():
            start = time.perf_counter()
            subprocess.run([sys.executable, *arguments], check=True, capture_output=True)
            seconds[name].append(time.perf_counter() - start)
    ours, torch = (statistics.median(values) for values in seconds.values())
    print(f"ffrec --help {ours:.2f} s, import torch {torch:.2f} s: ratio {ours / torch:.2f}")


if __name__ == "__main__":
    main()

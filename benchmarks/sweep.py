"""What a sweep costs beside the training of its runs, as a ratio: everything from the start of the command to
its end (start-up, loading, validations, test sets, checkpoints, the journal) over the seconds of the updates.
The command runs in a process of its own; the more runs, the less its start counts.

    FFREC_DATA=… python benchmarks/sweep.py [--only 'mnist-uniform-[1248]-1']
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--only", default="mnist-uniform-[1248]-1")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "cli", "sweep", "sleep", "--out", folder]
        start = time.perf_counter()
        code = subprocess.run([*command, "--only", asked.only]).returncode
        whole = time.perf_counter() - start
        if code:
            sys.exit(code)
        results = [json.loads(path.read_text()) for path in Path(folder).glob("*/result.json")]
    learning = sum(result["seconds"] for result in results)
    print(f"{len(results)} runs: {whole:.0f} s, their updates {learning:.0f} s")
    print(f"  everything else / updates: {whole / learning - 1:.3f}")


if __name__ == "__main__":
    main()

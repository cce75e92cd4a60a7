"""Plant one-line defects, one at a time, and fail if the tests let one live.

    python tests/mutants.py [part of a file name ...]

They are in tests/planted. The working tree is copied first and never touched.
"""

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from planted import PLANTED

ROOT = Path(__file__).parent.parent
ENDLESS = 600
"""Seconds after which tests have noticed a defect by not ending."""
MUTANTS = [(file, *defect) for file, defects in PLANTED.items() for defect in defects]


def files_of(rooms: str) -> list[str]:
    """The files of tests that rooms stand for: update for tests/test_update.py, faults/disk for
    tests/faults/test_disk.py."""
    places = [room.rpartition("/") for room in rooms.split()]
    return [f"tests/{folder}{slash}test_{name}.py" for folder, slash, name in places]


def survives(tree: Path, file: str, right: str, wrong: str, rooms: str) -> bool:
    """Whether the tests of the named rooms pass with the defect in place."""
    path = tree / file
    source = path.read_text()
    if source.count(right) < 1:
        raise SystemExit(f"{file} has no {right!r} any more: bring tests/planted up to date")
    path.write_text(source.replace(right, wrong, 1))
    command = [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", *files_of(rooms)]
    environment = {**os.environ, "PYTHONPATH": str(tree), "PYTHONDONTWRITEBYTECODE": "1"}
    try:
        done = subprocess.run(command, cwd=tree, env=environment, capture_output=True, timeout=ENDLESS)
        return done.returncode == 0
    except subprocess.TimeoutExpired:  # a number without bounds may train for ever
        return False
    finally:
        path.write_text(source)


def main() -> None:
    wanted = [m for m in MUTANTS if not sys.argv[1:] or any(part in m[0] for part in sys.argv[1:])]
    with tempfile.TemporaryDirectory() as folder:
        tree = Path(folder) / "tree"
        shutil.copytree(ROOT, tree, ignore=shutil.ignore_patterns(".git", ".venv", "runs", "*cache*"))
        alive = [mutant for mutant in wanted if survives(tree, *mutant)]
    for file, right, wrong, _ in alive:
        print(f"ALIVE {file}: {right!r} -> {wrong!r}")
    print(f"{len(wanted) - len(alive)} of {len(wanted)} mutants died")
    sys.exit(bool(alive) or not wanted)


if __name__ == "__main__":
    main()

"""The checkpoints of a run: the last two, each complete."""

import os
import shutil
from pathlib import Path
from typing import Any

from torch import Tensor

from ffrec.storage.checkpoint import read_checkpoint, write_checkpoint
from ffrec.storage.files import RESTORE, UNFINISHED, DiskFull, RunError, remove, sync_folder
from ffrec.storage.names import ASIDE, STEP

KEPT = 2


def save(folder: Path, step: int, weights: dict[str, Tensor], state: dict[str, Any]) -> Path:
    """Write checkpoint `step`, in place of one of that step, then drop all but the last two.

    A crash at any moment leaves this checkpoint or what was there before it, whole. Raises DiskFull.
    """
    target = folder / f"{STEP}{step:08d}"
    temporary = folder / f"{UNFINISHED}{os.getpid()}-{target.name}"
    folder.mkdir(parents=True, exist_ok=True)
    tidy(folder)
    try:
        temporary.mkdir()
        write_checkpoint(temporary, step, weights, state)
    except BaseException as error:
        written = sum(file.stat().st_size for file in temporary.glob("*"))
        shutil.rmtree(temporary, ignore_errors=True)
        if isinstance(error, DiskFull):
            raise DiskFull(target, written + error.needed) from None
        raise
    if target.exists():  # no folder replaces a full one in one go; aside, `complete` still finds it
        os.replace(target, target.with_name(ASIDE + target.name))
    os.replace(temporary, target)
    sync_folder(folder)
    sync_folder(folder.parent)
    tidy(folder)
    return target


def tidy(folder: Path) -> None:
    """Drop all but the last two checkpoints, and put right what saves that were cut short left behind."""
    for unfinished in folder.glob(f"{UNFINISHED}*"):
        remove(unfinished)
    replaced = set(folder.glob(f"{ASIDE}*"))
    for wanted in replaced & set(complete(folder)):  # its successor never came
        os.replace(wanted, wanted.with_name(wanted.name.removeprefix(ASIDE)))
        replaced.remove(wanted)
    for stale in [*replaced, *complete(folder)[:-KEPT]]:
        doomed = stale.with_name(UNFINISHED + stale.name)
        os.replace(stale, doomed)  # first, so that one half removed does not look complete
        shutil.rmtree(doomed)


def complete(folder: Path) -> list[Path]:
    """The checkpoints, oldest first; one set aside counts if its step has no other."""
    found = {}
    for prefix in (ASIDE + STEP, STEP):
        for held in folder.glob(f"{prefix}*"):
            if (digits := held.name.removeprefix(prefix)).isdecimal():
                found[int(digits)] = held
    return [found[step] for step in sorted(found)]


def load(folder: Path) -> tuple[int, dict[str, Tensor], dict[str, Any]] | None:
    """Step, weights and state of the newest checkpoint, or None; raises RunError if it is damaged."""
    if not (found := complete(folder)):
        return None
    newest, alone = found[-1], len(found) == 1
    step, weights, state = read_checkpoint(newest, f"{RESTORE}: there is no other" if alone else "")
    if newest.name.rpartition("-")[2] != f"{step:08d}":
        raise RunError(f"{newest} is damaged: expected its step in its manifest, found {step}: restore it")
    return step, weights, state

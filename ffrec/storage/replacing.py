"""How a run replaces another in the same folder, so that a crash at any moment leaves one of them whole.

The new run begins in `.next/`; the old one stays as it is. Once the new run has a checkpoint, the old one's
files are removed, `.next/` becomes `.ready/`, and what it holds moves up. Each stage can be done again.
"""

import os
import shutil
from pathlib import Path

from ffrec.storage import checkpoints
from ffrec.storage.files import RunError, remove, sync_folder
from ffrec.storage.names import IDENTITY, LOCK, NEXT, READY, inside, is_ours, unfinished


def clean(folder: Path) -> None:
    """Put right what a process that died left in a run folder; its lock has to be held."""
    for place in (folder, folder / "pictures"):
        for entry in unfinished(place) if place.is_dir() else ():
            remove(entry)
    checkpoints.tidy(folder / "checkpoints")
    if checkpoints.complete(folder / NEXT / "checkpoints"):
        promote(folder)
    elif (folder / NEXT).exists():
        shutil.rmtree(folder / NEXT)
    if (folder / READY).exists():
        move_up(folder / READY, folder)


def promote(folder: Path) -> None:
    """Replace the run in a folder by the one that has begun in its `.next/`; raises RunError, and changes
    nothing, unless that is one."""
    if not all((folder / NEXT / name).is_file() for name in IDENTITY):
        raise RunError(
            f"{folder / NEXT}: expected the run that is to replace this one, found a part of it: remove it"
        )
    remove_ours(folder)
    os.replace(folder / NEXT, folder / READY)
    move_up(folder / READY, folder)
    sync_folder(folder)


def remove_ours(folder: Path) -> None:
    """Remove a run, by the exact names of its files, and nothing else."""
    for entry in inside(folder):
        name = entry.relative_to(folder).parts[0]
        if name in (NEXT, READY, LOCK) or not is_ours(entry, folder):
            continue
        if entry.is_symlink() or not entry.is_dir():
            entry.unlink()
        elif not any(entry.iterdir()):
            entry.rmdir()


def move_up(source: Path, target: Path) -> None:
    """Move all that a folder holds into another one, which may have some of it already."""
    for entry in sorted(source.iterdir()):
        there = target / entry.name
        if entry.is_dir() and there.is_dir():
            move_up(entry, there)
        else:
            os.replace(entry, there)
    sync_folder(target)
    source.rmdir()

"""Every name that ffrec gives in a run folder. Nothing else there is ever removed or replaced."""

import os
import re
from collections.abc import Iterator
from pathlib import Path

from ffrec.storage.files import UNFINISHED

LOCK = "run.lock"
NEXT, READY = ".next", ".ready"  # a run that is to replace the one around it: begun; with a checkpoint
STEP, ASIDE = "step-", ".old-"
IDENTITY = ("environment.json", "config.json")  # what makes a folder a run folder; written in this order
FOLDERS = ("checkpoints", "pictures", "tensorboard")
DOCUMENTS = (
    "baselines",
    "calibration",
    "collapse",
    "confidence",
    "config",
    "data",
    "environment",
    "layers",
    "result",
    "robustness",
    "views",
)
PICTURES = (
    *(
        "collapse",
        "confidence",
        "dreams_scored",
        "generated_strings",
        "goodness_histograms",
        "heat_map",
        "hybrids",
    ),
    *("learning_curve", "loss_curves", "perplexity", "receptive_fields", "robustness", "wake_sleep"),
)
OURS = re.compile(
    rf"({'|'.join(DOCUMENTS)})\.json|metrics\.jsonl|(examples|text)\.safetensors|report\.html|{re.escape(LOCK)}"
    rf"|({'|'.join(FOLDERS)})"
    rf"|pictures/({'|'.join(PICTURES)})\.png|tensorboard/events\.out\.tfevents\..*"
    rf"|checkpoints/({re.escape(ASIDE)})?{STEP}\d{{8,}}(/(weights\.safetensors|state\.pt|manifest\.json))?"
    rf"|(.*/)?{re.escape(UNFINISHED)}[^/]*(/.*)?"
)
"""Paths in a run folder, with `/` between names."""


def inside(folder: Path) -> Iterator[Path]:
    """Everything in a folder, what is in a folder before the folder; links are not followed."""
    for entry in sorted(folder.iterdir()):
        if entry.is_dir() and not entry.is_symlink():
            yield from inside(entry)
        yield entry


def is_ours(entry: Path, folder: Path) -> bool:
    """Whether ffrec gives that name in a run folder, also in that of a run which is to replace it."""
    name = entry.relative_to(folder).as_posix()
    for waiting in (NEXT, READY):
        name = name.removeprefix(f"{waiting}/")
    return name in (NEXT, READY) or bool(OURS.fullmatch(name))


def unfinished(folder: Path) -> list[Path]:
    """What processes that are dead left half-written in a folder; one that lives may be writing there."""
    return [entry for entry in folder.glob(f"{UNFINISHED}*") if not writing(entry.name)]


def writing(name: str) -> bool:
    """Whether the process in a name of what is unfinished is another one, and alive on this machine."""
    digits = name.removeprefix(UNFINISHED).partition("-")[0]
    if not digits.isdecimal() or int(digits) == os.getpid():
        return False
    try:
        os.kill(int(digits), 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:  # it is another user's
        return True
    return True

"""A run folder that survives a crash.

config.json        what decides the run's numbers         metrics.jsonl   one line an epoch
environment.json   versions, commit, command              result.json     what the run reached
checkpoints/step-00000123/                                text.safetensors   the strings of a run on a text
"""

import contextlib
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Self

import torch
from filelock import FileLock
from torch import Tensor

from ffrec.storage import checkpoints
from ffrec.storage.environment import environment
from ffrec.storage.files import (
    FORMAT,
    RESTORE,
    UNFINISHED,
    RunError,
    parsed,
    read_json,
    to_json,
    write_atomic,
)
from ffrec.storage.lock import lock_run, unlock_run
from ffrec.storage.names import IDENTITY, LOCK, NEXT, READY, inside, is_ours
from ffrec.storage.replacing import clean, promote
from ffrec.storage.schemas import SHAPES, Open, Record

UNLEARNT = ("validate_every",)  # settings in a configuration that change nothing of what is learnt
EARLY = ("environment.json", LOCK)  # what is there before config.json
CURES = {
    "config.json": "restore it, or, if it is no run of ffrec, move its folder elsewhere",
    "environment.json": "restore it, or choose another --out",
    "metrics.jsonl": "restore it, or remove it to go on without the record of these epochs",
}


class RunFolder:
    """One run's configuration, metrics, checkpoints and result in a folder.

    Who creates or `hold`s it writes it, and nobody else, until `release`, or the end of a `with` block.
    """

    def __init__(self, path: Path, lock: FileLock | None = None) -> None:
        self.path, self.lock = path, lock

    @property
    def checkpoints(self) -> Path:
        return self.path / "checkpoints"

    @classmethod
    def create(cls, path: Path, config: Mapping[str, Any], force: bool = False) -> "RunFolder":
        """A new run, held by this process; raises RunError if something is in the way.

        `force` replaces a run, nothing else, once the new one has a checkpoint: until then it is in `.next/`.
        """
        cls.check_free(path, force)
        made = not path.exists()
        path.mkdir(parents=True, exist_ok=True)
        folder = cls(path).hold()
        try:
            cls.check_free(path, force)
            if not cls.unbegun(path):
                folder.path = path / NEXT
                folder.path.mkdir()
            folder.write_json("environment.json", environment())
            folder.write_json("config.json", {"format": FORMAT, **config})
        except BaseException:
            folder.release()
            if made:
                shutil.rmtree(path)
            raise
        return folder

    @staticmethod
    def unbegun(path: Path) -> bool:
        """Whether a folder is there that holds nothing, or a run whose process died before it began."""
        return path.is_dir() and all(
            entry.name in EARLY or entry.match(f"{UNFINISHED}*") for entry in path.iterdir()
        )

    @classmethod
    def check_free(cls, path: Path, force: bool = False) -> None:
        """Raise RunError if something is in the way of a new run: anything, or with `force`, which replaces a
        run, what is no run or holds something that is not ours."""
        if cls.unbegun(path):
            return
        if path.exists() and not force:
            raise RunError(
                f"{path} exists: --resume goes on with it, --force replaces it, --out goes elsewhere"
            )
        try:  # many tools write a config.json; ours has our environment.json beside it
            known = {"ffrec", "torch", "command"} <= cls.open(path).environment.keys()
        except RunError:
            known = False
        if path.exists() and not known:
            raise RunError(
                f"{path} is not a run folder, or one whose environment.json is damaged, so --force leaves it "
                "alone: choose another --out"
            )
        for entry in inside(path) if path.exists() else ():
            if not is_ours(entry, path):
                raise RunError(
                    f"{entry} is not part of a run, so --force leaves it alone: move it, or change --out"
                )

    @classmethod
    def open(cls, path: Path) -> "RunFolder":
        """A run that is there, to be read; raises RunError if it is not."""
        if any((path / waiting).exists() for waiting in (NEXT, READY)):
            with contextlib.suppress(RunError, OSError):  # who replaces it may live; it may be read-only
                if lock := lock_run(path):  # without locks nobody can tell
                    cls(path, lock).hold().release()
        if not all((path / name).is_file() for name in IDENTITY):
            raise RunError(
                f"{path} is not a run folder: expected one that `ffrec train` made; `ffrec ls` lists them"
            )
        return cls(path)

    def hold(self) -> Self:
        """Keep all other processes from writing this run, and put right what dead ones left.

        Raises RunError if another one is writing it."""
        self.lock = self.lock or lock_run(self.path)
        clean(self.path)
        return self

    def release(self) -> None:
        """Let others write this run; one that was to replace another but has no checkpoint is dropped."""
        if self.path.name == NEXT:
            shutil.rmtree(self.path, ignore_errors=True)
            self.path = self.path.parent
        if self.lock:
            unlock_run(self.path, self.lock)
            self.lock = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self.release()

    @property
    def config(self) -> dict[str, Any]:
        config = self.read_json("config.json")
        if config is None:
            raise RunError(f"{self.path} has no config.json: it is no run folder: choose another")
        config.pop("format", None)
        return config

    @property
    def environment(self) -> dict[str, Any]:
        return self.read_json("environment.json") or {}

    def write_json(self, name: str, value: Any) -> None:
        write_atomic(self.path / name, to_json(value))

    def read_json(self, name: str) -> dict[str, Any] | None:
        """A JSON document of the run, None if there is none; raises RunError if it is damaged."""
        file = self.path / name
        return read_json(file, SHAPES.get(name, Open), CURES.get(name, RESTORE)) if file.is_file() else None

    def metrics(self, shape: type[Record] = Record) -> list[dict[str, Any]]:
        """One record an epoch, oldest first; raises RunError if the file is damaged."""
        file = self.path / "metrics.jsonl"
        lines = file.read_bytes().splitlines() if file.is_file() else []
        return [
            parsed(line, shape, f"{file}, line {number},", CURES[file.name])
            for number, line in enumerate(lines, 1)
        ]

    def append_metrics(self, record: dict[str, Any]) -> None:
        """Add one epoch's record."""
        file = self.path / "metrics.jsonl"
        before = file.read_bytes() if file.is_file() else b""
        write_atomic(file, before + to_json(record, None))

    def keep_metrics(self, epochs: int) -> None:
        """Drop the records beyond the first `epochs`."""
        held = self.metrics()
        kept = [record for record in held if record["epoch"] <= epochs]
        if len(kept) < len(held):
            lines = b"".join(to_json(record, None) for record in kept)
            write_atomic(self.path / "metrics.jsonl", lines)

    def save(self, step: int, weights: dict[str, Tensor], state: dict[str, Any]) -> Path:
        """Write checkpoint `step`, in place of one of that step, then drop all but the last two.

        A crash at any moment leaves this checkpoint or what was there before it, whole. Raises DiskFull.
        """
        written = checkpoints.save(self.checkpoints, step, weights, state)
        if self.path.name == NEXT:  # now it may replace the run before it
            self.path = self.path.parent
            promote(self.path)
        return self.checkpoints / written.name

    def load(
        self, device: str | torch.device = "cpu"
    ) -> tuple[int, dict[str, Tensor], dict[str, Any]] | None:
        """Step, weights (on `device`) and state (on the CPU) of the newest checkpoint, or None.

        Raises RunError if it is damaged, naming the file.
        """
        if not (saved := checkpoints.load(self.checkpoints)):
            return None
        step, weights, state = saved
        return step, {name: tensor.to(device) for name, tensor in weights.items()}, state


def epochs_of(records: Sequence[Mapping[str, Any]]) -> int:
    """The epochs that are done, also where the records of some have been lost."""
    return int(records[-1]["epoch"]) if records else 0

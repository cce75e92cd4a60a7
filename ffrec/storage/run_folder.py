"""A run folder that survives a crash.

config.json        what decides the run's numbers         metrics.jsonl   one line an epoch
environment.json   versions, commit, command              result.json     what the run reached
checkpoints/step-00000123/                                text.safetensors   the strings of a run on a text
"""

import json
import os
import shutil
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ffrec.storage.checkpoint import read_checkpoint, write_checkpoint
from ffrec.storage.environment import environment
from ffrec.storage.files import UNFINISHED, RunError, read_json, sync_folder, to_json, write_atomic

KEPT = 2  # checkpoints
STEP, ASIDE = "step-", ".old-"
UNLEARNT = ("validate_every",)  # settings in a configuration that change nothing of what is learnt
IDENTITY = ("environment.json", "config.json")  # what makes a folder a run folder
EARLY = ("environment.json",)  # what is there before config.json
# All that this toolkit puts in a run folder; --force leaves a folder alone that holds anything else.
FOLDERS = ("checkpoints", "pictures", "tensorboard")
OURS = (
    "*.json",
    "metrics.jsonl",
    "examples.safetensors",
    "text.safetensors",
    "report.html",
    f"{UNFINISHED}*",
    *FOLDERS,
)


class RunFolder:
    """One run's configuration, metrics, checkpoints and result in a folder."""

    def __init__(self, path: Path) -> None:
        self.path, self.checkpoints = path, path / "checkpoints"

    @classmethod
    def create(cls, path: Path, config: dict[str, Any], force: bool = False) -> "RunFolder":
        """A new run; raises RunError if something is in the way (`force` replaces a run, nothing else)."""
        cls.check_free(path, force)
        folder = cls(path)
        for entry in path.glob("*"):  # all but its identity, which is replaced: a crash leaves a run folder
            if entry.is_dir() and not entry.is_symlink():
                shutil.rmtree(entry)
            elif entry.name not in IDENTITY:
                entry.unlink()
        path.mkdir(parents=True, exist_ok=True)
        folder.write_json("environment.json", environment())
        folder.write_json("config.json", config)
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
        entries = list(path.iterdir()) if path.is_dir() else [path] if path.exists() else []
        if entries and not force:
            raise RunError(
                f"{path} exists: --resume goes on with it, --force replaces it, --out goes elsewhere"
            )
        try:  # many tools write a config.json; ours has our environment.json beside it
            known = {"ffrec", "torch", "command"} <= cls.open(path).environment.keys()
        except RunError:
            known = False
        for entry in entries:
            if not known or not any(entry.match(pattern) for pattern in OURS):
                found = f"{entry} is not part of a run" if known else f"{path} is not a run folder"
                raise RunError(f"{found}, so --force leaves it alone: choose another --out")

    @classmethod
    def open(cls, path: Path) -> "RunFolder":
        """A run that is there; raises RunError if it is not."""
        if not all((path / name).is_file() for name in IDENTITY):
            raise RunError(
                f"{path} is not a run folder: expected one that `ffrec train` made; `ffrec ls` lists them"
            )
        return cls(path)

    @property
    def config(self) -> dict[str, Any]:
        config = self.read_json("config.json")
        if config is None:
            raise RunError(f"{self.path} has no config.json: it is no run folder: choose another")
        return config

    @property
    def environment(self) -> dict[str, Any]:
        return self.read_json("environment.json") or {}

    def write_json(self, name: str, value: Any) -> None:
        write_atomic(self.path / name, to_json(value))

    def read_json(self, name: str) -> dict[str, Any] | None:
        """A JSON document of the run, None if there is none; raises RunError if it is damaged."""
        return read_json(self.path / name) if (self.path / name).is_file() else None

    def metrics(self) -> list[dict[str, Any]]:
        """One record an epoch, oldest first; raises RunError if the file is damaged."""
        file = self.path / "metrics.jsonl"
        try:
            records = [json.loads(line) for line in file.read_bytes().splitlines()] if file.is_file() else []
        except ValueError:
            records = [None]
        if not all(isinstance(record, dict) for record in records):
            raise RunError(
                f"{file} is damaged: expected one JSON object a line, found something else: remove it"
            )
        return records

    def append_metrics(self, record: dict[str, Any]) -> None:
        """Add one epoch's record."""
        self.write_metrics([*self.metrics(), record])

    def keep_metrics(self, epochs: int) -> None:
        """Drop the records beyond the first `epochs`."""
        if len(held := self.metrics()) > epochs:
            self.write_metrics(held[:epochs])

    def write_metrics(self, records: list[dict[str, Any]]) -> None:
        write_atomic(self.path / "metrics.jsonl", b"".join(to_json(record, None) for record in records))

    def save(self, step: int, weights: dict[str, Tensor], state: dict[str, Any]) -> Path:
        """Write checkpoint `step`, in place of one of that step, then drop all but the last two.

        A crash at any moment leaves this checkpoint or what was there before it, whole.
        """
        target = self.checkpoints / f"{STEP}{step:08d}"
        temporary = self.checkpoints / f"{UNFINISHED}{os.getpid()}-{target.name}"
        self.checkpoints.mkdir(parents=True, exist_ok=True)
        self.tidy()
        temporary.mkdir()
        write_checkpoint(temporary, step, weights, state)
        if target.exists():  # no folder replaces a full one in one go; aside, `complete` still finds it
            os.replace(target, target.with_name(ASIDE + target.name))
        os.replace(temporary, target)
        sync_folder(self.checkpoints)
        sync_folder(self.path)
        self.tidy()
        return target

    def tidy(self) -> None:
        """Drop all but the last two checkpoints, and put right what saves that were cut short left behind."""
        for unfinished in self.checkpoints.glob(f"{UNFINISHED}*"):
            shutil.rmtree(unfinished)
        replaced = set(self.checkpoints.glob(f"{ASIDE}*"))
        for wanted in replaced & set(self.complete()):  # its successor never came
            os.replace(wanted, wanted.with_name(wanted.name.removeprefix(ASIDE)))
            replaced.remove(wanted)
        for stale in [*replaced, *self.complete()[:-KEPT]]:
            doomed = stale.with_name(UNFINISHED + stale.name)
            os.replace(stale, doomed)  # first, so that one half removed does not look complete
            shutil.rmtree(doomed)

    def complete(self) -> list[Path]:
        """Checkpoints written to the end, oldest first; one set aside counts if its step has no other."""
        found = {}
        for prefix in (ASIDE + STEP, STEP):
            for manifest in self.checkpoints.glob(f"{prefix}*/manifest.json"):
                if (digits := manifest.parent.name.removeprefix(prefix)).isdecimal():
                    found[int(digits)] = manifest.parent
        return [found[step] for step in sorted(found)]

    def load(
        self, device: str | torch.device = "cpu"
    ) -> tuple[int, dict[str, Tensor], dict[str, Any]] | None:
        """Step, weights (on `device`) and state (on the CPU) of the newest checkpoint, or None.

        Raises RunError if it is damaged, naming the file.
        """
        if not (complete := self.complete()):
            return None
        step, weights, state = read_checkpoint(complete[-1])
        return step, {name: tensor.to(device) for name, tensor in weights.items()}, state

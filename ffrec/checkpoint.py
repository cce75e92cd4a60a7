"""A run folder that survives a crash: every write is atomic, every checkpoint checksummed, nothing pickled.

config.json        what decides the run's numbers         metrics.jsonl   one line an epoch
environment.json   versions, commit, command              result.json     what the run reached
checkpoints/step-00000123/                                 manifest.json   their SHA-256, written last
"""

import hashlib
import io
import json
import math
import os
import platform
import shutil
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from torch import Tensor

KEPT = 2  # checkpoints
STEP, UNFINISHED = "step-", ".tmp-"


class RunError(Exception):
    """A run folder that cannot be used: one line saying what was expected, what was found, what to do."""


def sync_folder(folder: Path) -> None:
    """Make the names in a folder survive a power cut."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def write_atomic(path: Path, data: bytes) -> None:
    """Write a file so that a reader, now or after a crash, finds all of it or what was there before."""
    temporary = path.with_name(f"{UNFINISHED}{os.getpid()}-{path.name}")
    with open(temporary, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    os.replace(temporary, path)
    sync_folder(path.parent)


def plain(value: Any) -> Any:
    """The same JSON value with every number that JSON has no word for (nan, infinity) as null."""
    if isinstance(value, dict):
        return {key: plain(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [plain(part) for part in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def to_json(value: Any, indent: int | None = 2) -> bytes:
    return (json.dumps(plain(value), indent=indent, allow_nan=False) + "\n").encode()


def environment() -> dict[str, Any]:
    """Versions, platform, commit of the source if it is a checkout, and the command."""
    try:
        ours = version("ffrec")
    except PackageNotFoundError:
        ours = None
    source = Path(__file__)
    ask = ["git", "-C", str(source.parent), "ls-files", "--error-unmatch", source.name]
    try:
        tracked = subprocess.run(ask, capture_output=True).returncode == 0
        head = subprocess.run([*ask[:3], "rev-parse", "HEAD"], capture_output=True, text=True).stdout.strip()
    except OSError:
        tracked, head = False, ""
    return {
        "ffrec": ours,
        "python": platform.python_version(),
        "torch": torch.__version__,
        "platform": platform.platform(),
        "commit": head if tracked and head else None,
        "command": [Path(sys.argv[0]).name, *sys.argv[1:]],
    }


def on_cpu(value: Any) -> Any:
    """The same containers with every tensor on the CPU."""
    if isinstance(value, Tensor):
        return value.cpu()
    if isinstance(value, dict):
        return {key: on_cpu(part) for key, part in value.items()}
    return type(value)(on_cpu(part) for part in value) if isinstance(value, list | tuple) else value


class RunFolder:
    """One run's configuration, metrics, checkpoints and result in a folder."""

    def __init__(self, path: Path) -> None:
        self.path, self.checkpoints = path, path / "checkpoints"

    @classmethod
    def create(cls, path: Path, config: dict[str, Any], force: bool = False) -> "RunFolder":
        """A new run; raises RunError if something is in the way (`force` replaces a run, nothing else)."""
        if (path.is_dir() and any(path.iterdir())) or path.is_file():
            if not force:
                raise RunError(
                    f"{path} exists: --resume goes on with it, --force replaces it, --out goes elsewhere"
                )
            if not (path / "config.json").is_file():
                raise RunError(
                    f"{path} is not a run folder, so --force leaves it alone: choose another --out"
                )
            shutil.rmtree(path)
        path.mkdir(parents=True, exist_ok=True)
        folder = cls(path)
        folder.write_json("environment.json", environment())
        folder.write_json("config.json", config)
        return folder

    @classmethod
    def open(cls, path: Path) -> "RunFolder":
        """A run that is there; raises RunError if it is not."""
        if not (path / "config.json").is_file():
            raise RunError(
                f"{path} is not a run folder: expected one that `ffrec train` made; `ffrec ls` lists them"
            )
        return cls(path)

    @property
    def config(self) -> dict[str, Any]:
        config = self.read_json("config.json")
        if config is None:
            raise RunError(f"{self.path} has no config.json: train it again with --force")
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
        """One record an epoch, oldest first."""
        file = self.path / "metrics.jsonl"
        if not file.is_file():
            return []
        try:
            return [json.loads(line) for line in file.read_text().splitlines()]
        except ValueError:
            raise RunError(f"{file} is damaged: expected one JSON object a line: remove it") from None

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
        """Write checkpoint `step`, then drop all but the last two; a crash on the way costs only this one."""
        target = self.checkpoints / f"{STEP}{step:08d}"
        if target in self.complete():  # the same update of the same run: the same content
            return target
        temporary = self.checkpoints / f"{UNFINISHED}{os.getpid()}-{target.name}"
        shutil.rmtree(temporary, ignore_errors=True)
        temporary.mkdir(parents=True)
        pickled = io.BytesIO()
        torch.save(on_cpu(state), pickled)
        flat = {name: tensor.detach().cpu().clone().contiguous() for name, tensor in weights.items()}
        files = {"weights.safetensors": safetensors.torch.save(flat), "state.pt": pickled.getvalue()}
        for name, data in files.items():
            write_atomic(temporary / name, data)
        sums = {name: hashlib.sha256(data).hexdigest() for name, data in files.items()}
        write_atomic(temporary / "manifest.json", to_json({"step": step, "sha256": sums}))
        os.rename(temporary, target)
        sync_folder(self.checkpoints)
        for stale in [*self.complete()[:-KEPT], *self.checkpoints.glob(f"{UNFINISHED}*")]:
            shutil.rmtree(stale)
        return target

    def complete(self) -> list[Path]:
        """Checkpoints that were written to the end, oldest first."""
        return sorted(path.parent for path in self.checkpoints.glob(f"{STEP}*/manifest.json"))

    def load(
        self, device: str | torch.device = "cpu"
    ) -> tuple[int, dict[str, Tensor], dict[str, Any]] | None:
        """Step, weights and state of the newest checkpoint, or None; raises RunError if it is damaged."""
        complete = self.complete()
        if not complete:
            return None
        folder, files = complete[-1], {}
        manifest = read_json(folder / "manifest.json")
        for name, expected in manifest["sha256"].items():
            files[name] = (folder / name).read_bytes() if (folder / name).is_file() else b""
            if hashlib.sha256(files[name]).hexdigest() != expected:
                raise RunError(
                    f"{folder / name} is damaged: expected SHA-256 {expected[:12]}…, found another: "
                    f"remove {folder} to go back to the checkpoint before it"
                )
        weights = safetensors.torch.load(files["weights.safetensors"])
        try:
            state = torch.load(io.BytesIO(files["state.pt"]), weights_only=True, map_location="cpu")
        except Exception as error:
            raise RunError(
                f"{folder / 'state.pt'} holds more than plain data: {type(error).__name__}"
            ) from None
        return manifest["step"], {name: tensor.to(device) for name, tensor in weights.items()}, state


def read_json(path: Path) -> dict[str, Any]:
    """A JSON object from a file; raises RunError, naming the file, if it is damaged."""
    try:
        value = json.loads(path.read_bytes())
    except ValueError:
        value = None
    if not isinstance(value, dict):
        raise RunError(f"{path} is damaged: expected a JSON object: remove what holds it, or train again")
    return value

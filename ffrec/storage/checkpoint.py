"""One checkpoint: weights and state in a folder of their own, checksummed; reading it runs no code.

weights.safetensors   state.pt   manifest.json   their SHA-256, written last
"""

import copy
import hashlib
import io
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from torch import Tensor

from ffrec.storage.files import FORMAT, RunError, read_json, to_json, write_atomic
from ffrec.storage.schemas import Manifest

PARTS = ("weights.safetensors", "state.pt")  # of a checkpoint, beside its manifest
MANIFEST = "manifest.json"


def on_cpu(value: Any) -> Any:
    """The same containers with every tensor on the CPU."""
    if isinstance(value, Tensor):
        return value.cpu()
    if isinstance(value, dict):
        moved = copy.copy(value)  # keeps its class: a scheduler's milestones are a Counter
        for key, part in value.items():
            moved[key] = on_cpu(part)
        return moved
    return type(value)(on_cpu(part) for part in value) if isinstance(value, list | tuple) else value


def write_checkpoint(folder: Path, step: int, weights: dict[str, Tensor], state: dict[str, Any]) -> None:
    """Fill a new folder with the parts of a checkpoint and, last, their manifest; raises DiskFull."""
    # cloned, since safetensors refuses tensors that share memory
    flat = {name: tensor.detach().cpu().clone().contiguous() for name, tensor in weights.items()}
    pickled = io.BytesIO()
    torch.save(on_cpu(state), pickled)
    parts = dict(zip(PARTS, (safetensors.torch.save(flat), pickled.getvalue()), strict=True))
    sums = {name: hashlib.sha256(data).hexdigest() for name, data in parts.items()}
    manifest = to_json({"format": FORMAT, "step": step, "sha256": sums})
    for name, data in (parts | {MANIFEST: manifest}).items():
        write_atomic(folder / name, data)


def read_checkpoint(folder: Path, cure: str = "") -> tuple[int, dict[str, Tensor], dict[str, Any]]:
    """Step, weights and state, on the CPU; raises RunError, before anything is parsed, if damaged.

    No code is run: weights are safetensors, and the state is read with `weights_only=True`.
    """
    cure = cure or f"delete {folder} to go back to the checkpoint before it"
    if not (folder / MANIFEST).is_file():
        raise RunError(f"{folder / MANIFEST} is missing, but a finished checkpoint has one: {cure}")
    manifest = read_json(folder / MANIFEST, Manifest, cure)
    files = {}
    for name, expected in manifest["sha256"].items():
        file = folder / name
        files[name] = file.read_bytes() if file.is_file() else b""
        if hashlib.sha256(files[name]).hexdigest() != expected:
            raise RunError(
                f"{file} is damaged or missing: expected SHA-256 {expected[:16]}…, found another: {cure}"
            )
    try:
        state = torch.load(io.BytesIO(files["state.pt"]), weights_only=True, map_location="cpu")
    except Exception as error:
        what = f"expected tensors and plain containers, found what raises {type(error).__name__}"
        raise RunError(f"{folder / 'state.pt'} holds more than plain data: {what}: {cure}") from None
    return manifest["step"], read_tensors(files[PARTS[0]], folder / PARTS[0], cure), state


def read_tensors(data: bytes, file: Path, cure: str) -> dict[str, Tensor]:
    """The tensors of a safetensors file; raises RunError, naming it, if it is none."""
    try:
        return safetensors.torch.load(data)
    except Exception as error:  # of the parser, or of torch for a type or shape that it does not know
        found = " ".join(str(error).split())
        raise RunError(
            f"{file} is damaged: expected safetensors, found what is none ({found}): {cure}"
        ) from None

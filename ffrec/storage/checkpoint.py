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

from ffrec.storage.files import RunError, read_json, to_json, write_atomic

PARTS = ("weights.safetensors", "state.pt")  # of a checkpoint, beside its manifest


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
    """Fill a new folder with the parts of a checkpoint and, last, their manifest."""
    # cloned, since safetensors refuses tensors that share memory
    flat = {name: tensor.detach().cpu().clone().contiguous() for name, tensor in weights.items()}
    pickled = io.BytesIO()
    torch.save(on_cpu(state), pickled)
    sums = {}
    for name, data in zip(PARTS, (safetensors.torch.save(flat), pickled.getvalue()), strict=True):
        write_atomic(folder / name, data)
        sums[name] = hashlib.sha256(data).hexdigest()
    write_atomic(folder / "manifest.json", to_json({"step": step, "sha256": sums}))


def read_checkpoint(folder: Path) -> tuple[int, dict[str, Tensor], dict[str, Any]]:
    """Step, weights and state, on the CPU; raises RunError, before anything is parsed, if damaged."""
    cure = f"delete {folder} to go back to the checkpoint before it"
    manifest, files = read_json(folder / "manifest.json", cure), {}
    step, sums = manifest.get("step"), manifest.get("sha256")
    if not isinstance(step, int) or not isinstance(sums, dict) or sums.keys() != set(PARTS):
        raise RunError(f"{folder / 'manifest.json'} is damaged: expected a step and two SHA-256 sums: {cure}")
    for name, expected in sums.items():
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
    return step, safetensors.torch.load(files["weights.safetensors"]), state

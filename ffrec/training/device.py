"""Which device a run computes on."""

import torch

from ffrec.config import ConfigError


def pick_device(name: str) -> torch.device:
    """The torch device called auto, cpu, cuda or mps; raises ConfigError if this machine has none."""
    there = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if name == "auto":
        name = "cuda" if there["cuda"] else "mps" if there["mps"] else "cpu"
    if not there.get(name):
        found = ", ".join(device for device, is_there in there.items() if is_there)
        raise ConfigError(f"device: expected one this machine has ({found}), found {name}: use --device auto")
    return torch.device(name)

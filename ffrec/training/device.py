"""Which device a run computes on."""

import torch

from ffrec.config import ConfigError


def pick_device(name: str, precision: str = "fp32") -> torch.device:
    """The torch device called auto, cpu, cuda or mps; raises ConfigError if this machine has none."""
    there = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if name == "auto":
        name = "cuda" if there["cuda"] else "mps" if there["mps"] else "cpu"
    if not there.get(name):
        found = ", ".join(device for device, is_there in there.items() if is_there)
        raise ConfigError(f"device: expected one this machine has ({found}), found {name}: use --device auto")
    if precision == "tf32" and name != "cuda":
        raise ConfigError(f"precision: tf32 needs --device cuda, found {name}: use fp32")
    return torch.device(name)

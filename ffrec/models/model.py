"""A trained network, ready for use."""

from abc import ABC, abstractmethod
from pathlib import Path

import torch

from ffrec.config import recipe_from
from ffrec.models.saved import Saved


class Model(ABC):
    """A trained network, ready for use. `ffrec.load` makes one of a run folder or of a saved file."""

    network: torch.nn.Module

    def __init__(self, saved: Saved, device: torch.device) -> None:
        self.saved, self.device = saved, device
        self.recipe = recipe_from(saved.config.get("recipe"))
        """The complete configuration that it was trained with."""
        self.build()

    @abstractmethod
    def build(self) -> None:
        """Make the network of what was saved; raises RunError if something is missing."""

    @abstractmethod
    def describe(self) -> str:
        """What it is for, in a few words."""

    def save(self, path: str | Path) -> Path:
        """Write all that it takes to one safetensors file, which `ffrec.load` reads; returns its path.

        A file of that name is replaced, whole or not at all. Raises ValueError if the path is a folder.
        """
        path = Path(path)
        if path.is_dir() or not path.parent.is_dir():
            found = "a folder" if path.is_dir() else f"no folder {path.parent}"
            raise ValueError(
                f"save: expected a file in a folder that is there, found {found}: choose another path"
            )
        self.saved.to_file(path)
        return path

    def __repr__(self) -> str:
        count = sum(p.numel() for p in self.network.parameters())
        kind, name = type(self).__name__, self.recipe.name
        return f"<{kind} {name}: {self.describe()}; {count:,} weights, on {self.device}>"

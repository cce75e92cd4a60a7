"""What is kept of a trained network: read from a run folder or a file, and written to a file."""

import dataclasses
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import safetensors
import safetensors.torch
import torch
from torch import Tensor

from ffrec.evaluation.calibration import Calibration
from ffrec.storage.files import FORMAT, RunError, parsed, write_atomic
from ffrec.storage.run_folder import RunFolder
from ffrec.storage.schemas import Whole
from ffrec.tasks.recorded import stored_calibration, weights
from ffrec.tasks.stored_text import StoredText


@dataclass(frozen=True)
class Saved:
    """What a run folder, or a file, holds of a trained network."""

    source: Path
    config: Mapping[str, Any]
    """As `config.json`."""
    weights: dict[str, Tensor]
    data: Mapping[str, Any] | None
    """As `data.json`."""
    calibration: Calibration
    strings: Tensor | None = None
    """Training strings of a text."""

    @classmethod
    def of_folder(cls, path: Path) -> "Saved":
        """The newest checkpoint of a run folder; raises RunError if it has none."""
        folder = RunFolder.open(path)
        config, text = folder.config, StoredText.read(folder)
        return cls(
            path,
            config,
            weights(folder, torch.device("cpu")),
            folder.read_json("data.json"),
            stored_calibration(folder) or Calibration(),
            text.train if text else None,
        )

    @classmethod
    def of_file(cls, path: Path) -> "Saved":
        """A file that `Model.save` wrote; raises RunError if it is another."""
        try:
            with safetensors.safe_open(str(path), framework="pt") as file:
                tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
                said = (file.metadata() or {})["ffrec"].encode()
                held = parsed(said, Whole, str(path), "save the model again")
        except (safetensors.SafetensorError, KeyError):
            raise RunError(
                f"{path}: expected a run folder or a file that Model.save wrote, found another file: "
                "check the path"
            ) from None
        strings = tensors.pop("strings", None)
        saved = {name.removeprefix("weights."): tensor for name, tensor in tensors.items()}
        config = dict(held["config"])
        config.pop("format", None)
        return cls(path, config, saved, held["data"], Calibration(**held["calibration"]), strings)

    def to_file(self, path: Path) -> None:
        """Write one file, whole or not at all."""
        tensors = {
            f"weights.{name}": t.detach().cpu().clone().contiguous() for name, t in self.weights.items()
        }
        if self.strings is not None:
            tensors["strings"] = self.strings.cpu().contiguous()
        held = {
            "config": {"format": FORMAT, **self.config},
            "data": self.data,
            "calibration": dataclasses.asdict(self.calibration),
        }
        write_atomic(path, safetensors.torch.save(tensors, {"ffrec": json.dumps(held)}))

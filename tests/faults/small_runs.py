"""A tiny run, as a command and as a folder that is filled by hand."""

from pathlib import Path

import torch

from cli.__main__ import run as command
from ffrec.config import recipe_from
from ffrec.recipes import recipe
from ffrec.storage.checkpoints import load
from ffrec.storage.run_folder import RunFolder
from ffrec.tasks.recorded import configuration

SETTINGS = ("hidden=[8,8]", "epochs=3", "batch=400")
TRAIN = ("train", "supervised-digits", "--precision", "fp32", "--device", "cpu")
TRAIN += tuple(word for setting in SETTINGS for word in ("--set", setting))
STORY = " ".join(f"the fox number {i} met the crow number {i * i}, and it spoke." for i in range(40))
TEXT = ("train", "fables", "--text", "story.txt", "--precision", "fp32", "--device", "cpu")
QUICK = ("hidden=[8]", "epochs=3", "passes=1", "batch=40")
TEXT += tuple(word for setting in QUICK for word in ("--set", setting))
CONFIG = configuration(recipe("recurrent-digits"), 0, "fp32")
OTHER = configuration(recipe("recurrent-digits"), 1, "fp32")
assert recipe_from(CONFIG["recipe"]).name == "recurrent-digits"


def train(out: Path, *more: str) -> int:
    """Train the tiny recipe for images into a folder; returns the exit code."""
    return command([*TRAIN, "--out", str(out), *more])


def fill(path: Path, config: dict[str, object] = CONFIG, force: bool = False, epochs: int = 3) -> None:
    """Create a run, save an epoch at a time, and finish it; or go on with what is there."""
    begun = not force and (path / "config.json").exists()
    folder = RunFolder.open(path).hold() if begun else RunFolder.create(path, config, force)
    with folder:
        step = (load(folder.checkpoints) or (0,))[0]
        folder.keep_metrics(step)
        for epoch in range(step + 1, epochs + 1):
            folder.append_metrics({"epoch": epoch, "loss": [1.0 / epoch], "softmax_loss": 1.0})
            folder.save(epoch, {"w": torch.full((5, 3), float(epoch))}, {"epoch": epoch})
        folder.write_json("result.json", {"epochs": epochs})

"""A run as its folder records it, checked: every table, page and figure reads runs through this file."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel

from ffrec.storage.files import RunError, read_json
from ffrec.storage.run_folder import RunFolder
from ffrec.storage.schemas import ImageResult, Losses, TextResult

Kind = Literal["images", "text"]
Complete = Callable[[Mapping[str, Any]], dict[str, Any]]
"""Gives a stored configuration today's names, and the defaults of settings that are younger than it."""

OLD_NAMES = {"wake": "awake", "sleep": "asleep"}
"""What a setting was called in folders whose configuration nobody completed."""

MEASURES = ("perplexity", "error_goodness", "error_softmax")
RESULTS: dict[Kind, type[BaseModel]] = {"images": ImageResult, "text": TextResult}


@dataclass(frozen=True)
class Summary:
    """What one run folder holds; `result` is None until the run has read a test set."""

    path: Path
    config: dict[str, Any]
    environment: dict[str, Any]
    metrics: list[dict[str, Any]]
    result: dict[str, Any] | None
    baselines: dict[str, Any] | None = None
    """What `ffrec perplexity --baselines` trained beside a run on a text."""

    @property
    def recipe(self) -> dict[str, Any]:
        """The recipe's plain values."""
        values: dict[str, Any] = self.config["recipe"]
        return values

    @property
    def name(self) -> str:
        """The recipe's name."""
        return str(self.recipe["name"])

    @property
    def kind(self) -> Kind:
        """What the run learns from."""
        return kind_of(self.config)

    @property
    def measure(self) -> str:
        """The number of the test set that the run is compared by; raises StopIteration without a result."""
        test = self.result["test"] if self.result else {}
        return measure_of(test)

    def setting(self, name: str) -> Any:
        """A setting of the network or the training by today's name; None if the folder does not know it."""
        held = flat(self.recipe)
        return held.get(name, held.get(OLD_NAMES.get(name, name)))

    def class_names(self, count: int) -> list[str]:
        """The names of `count` classes; their numbers where the folder holds no names."""
        names = self.config.get("classes")
        if isinstance(names, list) and len(names) == count:
            return [str(name) for name in names]
        return [str(label) for label in range(count)]


def measure_of(found: Mapping[str, Any]) -> str:
    """The number that a run is compared by, of those measured on one part of its data; raises StopIteration
    without one."""
    return next(name for name in MEASURES if name in found)


def kind_of(config: Mapping[str, Any]) -> Kind:
    """Whether a stored configuration is of a run on images or on a text."""
    network = config["recipe"]["network"]
    of_text = ("character", "goodness-character")
    return "text" if "text" in config or network.get("kind") in of_text else "images"


def flat(recipe: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of a recipe's network and training that `--set` can change."""
    return {**recipe["network"], **recipe["training"]}


def read(folder: RunFolder, complete: Complete = dict) -> Summary:
    """A run folder's summary; raises RunError if the folder is not ffrec's or a file in it is damaged."""
    config, file = folder.config, folder.path / "result.json"
    result = read_json(file, RESULTS[kind_of(config)]) if file.is_file() else None
    if result is not None and "test" not in result:
        result = None  # trained on arrays: there were no test images
    baselines = folder.read_json("baselines.json")
    metrics = folder.metrics(Losses)
    return Summary(folder.path, complete(config), folder.environment, metrics, result, baselines)


def read_all(runs: Path, complete: Complete = dict) -> tuple[list[Summary], list[str]]:
    """Every run folder directly under `runs`, by name, and one line for each that could not be read.

    A folder without a config.json is no run, and is passed over in silence.
    """
    found, faults = [], []
    for path in sorted(runs.glob("*/config.json")):
        try:
            found.append(read(RunFolder(path.parent), complete))
        except (RunError, OSError) as error:
            faults.append(" ".join(str(error).split()))
    return found, faults

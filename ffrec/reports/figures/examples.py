"""What a finished run kept for its figures."""

from typing import Any

import safetensors
import safetensors.numpy
from numpy.typing import NDArray

from ffrec.reports.figures.canvas import NothingToDraw
from ffrec.reports.summary import Summary
from ffrec.storage.files import RunError

Array = NDArray[Any]


def examples(run: Summary) -> dict[str, Array]:
    """The arrays of a run's examples.safetensors, by name.

    Raises NothingToDraw if there is no such file, RunError if it is damaged.
    """
    file = run.path / "examples.safetensors"
    if not file.is_file():
        raise NothingToDraw(
            f"{run.path} has no examples.safetensors: train it to the end with --resume first"
        )
    try:
        return safetensors.numpy.load(file.read_bytes())
    except (safetensors.SafetensorError, KeyError, TypeError, ValueError) as error:
        raise RunError(f"{file} is damaged ({error}): remove it, or train again with --force") from None


def thresholds(run: Summary) -> list[float]:
    """The goodness threshold of every hidden layer."""
    held = run.setting("threshold")
    return held if isinstance(held, list) else [held] * len(run.setting("hidden"))

"""`ffrec predict`: what a trained network sees in image files."""

import csv as tables
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, cast

import numpy as np
import typer
from numpy.typing import NDArray

import ffrec
from cli import options
from cli.answers import print_result
from cli.pictures import read_pictures
from cli.plugins import check_plugins, load_plugins
from ffrec.storage.run_folder import RunFolder
from ffrec.tasks.images import TrainedImages
from ffrec.tasks.kinds import check_kind


def predict(
    run: options.Run,
    files: Annotated[list[Path], typer.Argument(help="Image files.")],
    resize: Annotated[bool, typer.Option("--resize", help="Scale images to the size of the run's.")] = False,
    device: options.Device = "auto",
    plugin: options.Plugins = None,
    json: options.Json = False,
    csv: Annotated[
        bool, typer.Option("--csv", help="Print comma-separated values, a head line first.")
    ] = False,
) -> None:
    """Classify image files: the likeliest class, its probability, and the runner-up."""
    if json and csv:
        raise typer.BadParameter("--json and --csv are two forms of one answer: give one of them")
    folder = RunFolder.open(run)
    check_plugins(folder, load_plugins(plugin))
    check_kind(folder, TrainedImages)
    model = cast(ffrec.ImageModel, ffrec.load(run, device))  # as `check_kind` has found
    images = read_pictures(files, model.image_shape, resize)
    rows = answers(files, model.predict_proba(images), model.classes.tolist())
    if csv:
        print_csv(rows)
    else:
        print_result({"run": str(run), "predictions": rows}, [line(row) for row in rows], json)


def answers(
    files: list[Path], probabilities: NDArray[np.floating[Any]], classes: Sequence[Any]
) -> list[dict[str, Any]]:
    """For every file the two likeliest classes and their probabilities `(files, classes)`."""
    found = []
    for file, row in zip(files, probabilities, strict=True):
        first, second = np.argsort(-row, kind="stable")[:2]
        found.append(
            {
                "file": str(file),
                "label": str(classes[first]),
                "probability": float(row[first]),
                "runner_up": str(classes[second]),
                "runner_up_probability": float(row[second]),
            }
        )
    return found


def line(row: dict[str, Any]) -> str:
    """An answer for people."""
    return (
        f"{row['file']}: {row['label']} ({row['probability']:.3f}), "
        f"then {row['runner_up']} ({row['runner_up_probability']:.3f})"
    )


def print_csv(rows: list[dict[str, Any]]) -> None:
    """Answers as comma-separated values on stdout."""
    writer = tables.DictWriter(sys.stdout, rows[0].keys(), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)

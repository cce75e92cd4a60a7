"""A trained network teaches networks unlike it, through its answers alone (Hinton 2022 §8).

    python benchmarks/distil.py run TEACHER_RUN [--seed 0 …]
    python benchmarks/distil.py show [--into docs/twins.md]

The teacher is a run folder of any network for images. Between the two is a black box: a pupil gets the
teacher's probabilities of the classes, and nothing else of it. Its hidden layers learn from them as they do
from labels: by class scores of their own, or by agreement, where two images are of one class with the
probability that the teacher gives. All pupils make about as many updates. The settings were fixed
beforehand; the test set is read once.
"""

import argparse
import json
from collections.abc import Mapping, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

import torch

import ffrec
from cli.corpus import load
from cli.report import put_between
from ffrec.data.images import Images
from ffrec.evaluation.images import evaluate_images
from ffrec.learning.connection import Connection, Masked
from ffrec.reports.groups import spread
from ffrec.reports.tables import table

SHARE = 5  # one label in so many is known
UPDATES = 1200
PUPILS: Mapping[str, Mapping[str, Any]] = {
    "half as wide: 32-32": {"hidden": [32, 32]},
    "100-100-100, log(1 + x²), half of the connections": {
        "hidden": [100, 100, 100],
        "activation": "student-t",
        "connection": "half",
        "reads": [1, 2, 3],
    },
}
WAYS: Mapping[str, Mapping[str, Any]] = {  # what each pupil learns from
    "alone, a fifth of the labels": {"share": SHARE},
    "taught, the images of that fifth": {"share": SHARE, "taught": True},
    "taught, all images": {"taught": True},
    "taught by agreement too, all images": {
        "taught": True,
        "settings": {"agreement": "contrast", "scores": 1.0},
    },
    "alone, all labels": {},
}
HEAD = ("pupil", "learns from", "seeds", "test accuracy, %", "over alone with a fifth")


@ffrec.register("connection", "half")
def half(source_units: int, units: int, generator: torch.Generator) -> Connection:
    """Every connection is there with a chance of one half."""
    return Masked(torch.rand(source_units, units, generator=generator) < 0.5, generator)


def train(pupil: str, way: str, teacher: ffrec.ImageModel, seed: int) -> dict[str, Any]:
    """What a pupil reaches on test images."""
    how, recipe = WAYS[way], ffrec.recipe("twin-mnist-labels")
    corpus = load(recipe, None)
    known = slice(None, len(corpus.train.labels) // how.get("share", 1))
    images, labels = corpus.train.images[known], corpus.train.labels[known]
    epochs = round(UPDATES * recipe.training.batch / len(labels))
    settings = {**PUPILS[pupil], **how.get("settings", {}), "epochs": epochs}
    trainer = ffrec.TwinTrainer(recipe.override(settings), images, labels, 10, seed)
    if how.get("taught"):
        answers = teacher.predict_proba(images)
        trainer.answers = torch.from_numpy(answers).float()
    list(trainer.run())
    found = evaluate_images(trainer.network, Images(corpus.test.images), corpus.test.labels)
    return {"pupil": pupil, "way": way, "seed": seed, "error": found["error_softmax"]}


def run(options: argparse.Namespace) -> None:
    """Train every pupil in every way that the file does not hold yet; then each is a line of it."""
    teacher = ffrec.load(options.teacher)
    assert isinstance(teacher, ffrec.ImageModel)
    done = {(line["pupil"], line["way"], line["seed"]) for line in lines_of(options.file)}
    recipe = teacher.recipe.name
    if not done:
        test = load(ffrec.recipe("twin-mnist-labels"), None).test
        error = 100 * (1 - teacher.score(test.images, test.labels.numpy()))
        write(
            options.file, {"pupil": f"the teacher: {recipe}", "way": "all labels", "seed": 0, "error": error}
        )
    for seed in options.seed:
        for pupil in PUPILS:
            for way in WAYS:
                if (pupil, way, seed) not in done:
                    write(options.file, train(pupil, way, teacher, seed))


def write(file: Path, line: Mapping[str, Any]) -> None:
    """Add a result to the file."""
    with file.open("a") as lines:
        lines.write(f"{json.dumps(line)}\n")
    print(json.dumps(line), flush=True)


def lines_of(file: Path) -> list[dict[str, Any]]:
    """What has been measured."""
    return [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []


def rows(lines: Sequence[Mapping[str, Any]]) -> list[list[str]]:
    """A row for every pupil and way."""
    alone = "alone, a fifth of the labels"
    base = {(line["pupil"], line["seed"]): line["error"] for line in lines if line["way"] == alone}
    made, order = [], [*WAYS]
    known = sorted(
        lines,
        key=lambda line: (
            line["pupil"] in PUPILS,
            line["pupil"],
            line["way"] in WAYS and order.index(line["way"]),
        ),
    )
    for (pupil, way), of in groupby(known, lambda line: (line["pupil"], line["way"])):
        runs = list(of)
        gains = [base[pupil, line["seed"]] - line["error"] for line in runs if (pupil, line["seed"]) in base]
        accuracy = spread([100 - line["error"] for line in runs])
        gain = f"+{spread(gains)}" if gains and way != alone else "–"
        made.append([pupil, way, str(len(runs)), accuracy, gain.replace("+-", "−")])
    return made


def main() -> None:
    parser = argparse.ArgumentParser(description="Distillation between unlike networks.")
    parser.add_argument("--file", type=Path, default=Path("results/distil.jsonl"))
    commands = parser.add_subparsers(dest="command", required=True)
    one = commands.add_parser("run")
    one.add_argument("teacher", type=Path, help="a run folder with weights, of a network for MNIST")
    one.add_argument("--seed", nargs="+", type=int, default=[0])
    commands.add_parser("show").add_argument("--into", type=Path)
    options = parser.parse_args()
    if options.command == "run":
        torch.set_num_threads(1)
        run(options)
    elif options.into:
        put_between(options.into, "distil", table(HEAD, rows(lines_of(options.file))))
    else:
        print(table(HEAD, rows(lines_of(options.file))))


if __name__ == "__main__":
    main()

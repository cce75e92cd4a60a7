"""A trained network teaches networks unlike it, through its answers alone (Hinton 2022 §8).

    python benchmarks/distil.py run TEACHER_RUN [--group WORDS] [--only NAME …] [--seed 0 …] [--part 1/2]
    python benchmarks/distil.py show [--into docs/twins.md]

The teacher is a run folder of any network for MNIST, with its weights. Between the two is a black box: a
pupil gets the teacher's probabilities of the classes, and nothing else of it. Its hidden layers learn from
them as they do from labels: by class scores of their own, or by agreement, where two images are of one class
with the probability that the teacher gives. All pupils make about as many updates. The settings were fixed
beforehand; the test set is read once. Every line of results/distil.jsonl names its teacher, and `show` prints
the tables of each teacher.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import torch
from changes import Line, Work, lines_of, measured, parser, run, tables
from measuring import present

import ffrec
from cli.corpus import load
from ffrec.data.images import Images
from ffrec.evaluation.images import evaluate_images
from ffrec.learning.connection import Connection, Masked
from ffrec.reports.groups import spread

FIFTH = {"share": 5, "epochs": 61}  # one label in five is known: 20 updates an epoch, 98 with all of them
ALL = {"epochs": 12}
ALONE = "alone, a fifth of the labels"
PUPILS: Mapping[str, Mapping[str, Any]] = {
    "Half as wide: 32-32": {"hidden": [32, 32]},
    "100-100-100, log(1 + x²), half of the connections": {
        "hidden": [100, 100, 100],
        "activation": "student-t",
        "connection": "half",
        "reads": [1, 2, 3],
    },
}
WAYS: Mapping[str, Mapping[str, Any]] = {  # what each pupil learns from
    ALONE: FIFTH,
    "taught, the images of that fifth": {**FIFTH, "taught": True},
    "taught, all images": {**ALL, "taught": True},
    "taught by agreement too, all images": {**ALL, "taught": True, "agreement": "contrast", "scores": 1.0},
    "alone, all labels": ALL,
}
LIST = {
    "group": [
        {"title": title, "recipe": "twin-mnist-labels", "settings": pupil, "changes": WAYS}
        for title, pupil in PUPILS.items()
    ]
}
HEAD = ("learns from", "seeds", "test accuracy, %", "over alone with a fifth, points")


@ffrec.register("connection", "half")
def half(source_units: int, units: int, generator: torch.Generator) -> Connection:
    """Every connection is there with a chance of one half."""
    return Masked(torch.rand(source_units, units, generator=generator) < 0.5, generator)


@dataclass(frozen=True)
class Pupil(Work):
    """A network that learns from a teacher's answers, or alone."""

    teacher: Line = field(default_factory=dict)
    """Its recipe, seed and test error."""
    model: ffrec.ImageModel | None = None
    """The teacher itself, for training."""

    def made(self) -> ffrec.ImageRecipe:
        settings = {key: value for key, value in self.settings.items() if key not in ("share", "taught")}
        recipe = ffrec.recipe(self.recipe).override({**self.shared, **settings})
        assert isinstance(recipe, ffrec.ImageRecipe)
        return recipe

    def is_of(self, line: Line) -> bool:
        return line["teacher"] == self.teacher and super().is_of(line)

    def train(self) -> Line:
        """What the pupil reaches on test images."""
        corpus = load(self.made(), None)
        known = slice(None, len(corpus.train.labels) // self.settings.get("share", 1))
        images, labels = corpus.train.images[known], corpus.train.labels[known]
        trainer = ffrec.TwinTrainer(self.made(), images, labels, 10, self.seed)
        if self.settings.get("taught"):
            assert self.model
            trainer.answers = torch.from_numpy(self.model.predict_proba(images)).float()
        list(trainer.run())
        found = evaluate_images(trainer.network, Images(corpus.test.images), corpus.test.labels)
        return {"teacher": self.teacher, "error": found["error_softmax"]}


def pupils(seeds: Sequence[int], teacher: Line, model: ffrec.ImageModel | None = None) -> list[Pupil]:
    """All that are asked for, of one teacher."""
    return [replace(pupil, teacher=teacher, model=model) for pupil in Pupil.listed(LIST, seeds)]


def about(folder: Path) -> Line:
    """What is written down of a teacher: a run folder."""
    result = json.loads((folder / "result.json").read_text())
    return {"recipe": result["recipe"], "seed": result["seed"], "error": result["test"]["error_softmax"]}


def row(alone: Mapping[tuple[str, int], float], lines: Sequence[Line]) -> list[str]:
    """One way of one pupil: its runs, which differ in their seed alone."""
    bases = [alone.get((line["group"], line["seed"])) for line in lines]
    gains = [base - line["error"] for base, line in zip(bases, lines, strict=True) if base is not None]
    way, accuracy = lines[0]["change"], spread([100 - line["error"] for line in lines])
    gain = f"+{spread(gains)}".replace("+-", "−") if gains and way != ALONE else "–"
    return [way, str(len(lines)), accuracy, gain]


def shown(file: Path) -> str:
    """The tables of every teacher that a file names."""
    teachers: list[Line] = []
    for line in lines_of(file):
        if line["teacher"] not in teachers:
            teachers.append(line["teacher"])
    parts = []
    for teacher in teachers:
        lines = measured(pupils([0], teacher), file)
        alone = {(line["group"], line["seed"]): line["error"] for line in lines if line["change"] == ALONE}
        accuracy = f"{100 - teacher['error']:.2f} %"
        parts.append(
            f"The teacher: `{teacher['recipe']}`, seed {teacher['seed']}, {accuracy} on test images."
        )
        parts.append(tables(lines, HEAD, partial(row, alone)))
    return "\n\n".join(parts)


def main() -> None:
    made, commands = parser("Distillation between unlike networks.", "results/distil.jsonl")
    words = "a run folder with weights, of a network for MNIST"
    commands.choices["run"].add_argument("teacher", type=Path, help=words)
    options = made.parse_args()
    if options.command == "run":
        model = ffrec.load(options.teacher)
        assert isinstance(model, ffrec.ImageModel)
        run(pupils(options.seed, about(options.teacher), model), options)
    else:
        present(shown(options.file), "distil", options.into)


if __name__ == "__main__":
    main()

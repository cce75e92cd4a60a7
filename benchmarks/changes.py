"""Changes of recipes, measured one at a time: what a list asks for and a file of results does not hold yet.

A list has groups, each with a title, a recipe, settings that all of it share, and changes by name; and, where
all of the data would take too long, how many `images` to learn from. Every result is a line of the file,
written at once.
"""

import argparse
import json
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from pathlib import Path
from typing import Any, Self

import torch

import ffrec
from cli.corpus import load
from ffrec.config import Recipe
from ffrec.reports.tables import table
from ffrec.tasks.kinds import new_task
from ffrec.tasks.recorded import completed, plain
from ffrec.tasks.task import Task
from ffrec.training.events import Epoch

Line = Mapping[str, Any]


@dataclass(frozen=True)
class Work(ABC):
    """One change of one group, with one seed."""

    title: str
    recipe: str
    shared: Mapping[str, Any]
    change: str
    settings: Mapping[str, Any]
    seed: int
    images: int | None = None
    """The first so many training images, and a fifth as many to validate on; all if None."""

    @property
    def name(self) -> tuple[str, str, int]:
        return self.title, self.change, self.seed

    @abstractmethod
    def made(self) -> Recipe:
        """The changed recipe."""

    @abstractmethod
    def train(self) -> Line:
        """What the network reaches on validation images."""

    def line(self) -> str:
        """A line of the file: which work it is, and what it reached."""
        kept = {"group": self.title, "change": self.change, "settings": self.settings, "seed": self.seed}
        return json.dumps({**kept, "recipe": plain(self.made()), **self.train()})

    def is_of(self, line: Line) -> bool:
        """Whether a line is of this work as the list and the recipes have it today."""
        stored, today = completed({"recipe": line["recipe"]})["recipe"], plain(self.made())
        return line["settings"] == self.settings and all(
            stored[part] == today[part] for part in ("network", "training")
        )

    @classmethod
    def listed(cls, asked: Mapping[str, Any], seeds: Sequence[int]) -> list[Self]:
        """All that a list asks for, seed by seed."""
        return [
            cls(
                group["title"],
                group["recipe"],
                group["settings"],
                change,
                settings,
                seed,
                group.get("images"),
            )
            for seed in seeds
            for group in asked["group"]
            for change, settings in group["changes"].items()
        ]


class Change(Work):
    """A change of settings: what it reaches on validation data after the last epoch."""

    def train(self) -> Line:
        start, busy, recipe = time.perf_counter(), time.process_time(), self.made()
        task = new_task(recipe, self.data(recipe), self.seed, torch.device("cpu"), "bf16")
        *_, last = (e for e in task.trainer.run(None, task.validation) if isinstance(e, Epoch))
        minutes = {
            "minutes": (time.perf_counter() - start) / 60,
            "processor_minutes": (time.process_time() - busy) / 60,
        }
        return {**self.kept(task, last.record), **minutes}

    def data(self, recipe: Recipe) -> Any:
        """What the recipe names, or the first part of it."""
        whole, count = load(recipe, None), self.images
        if count is None:
            return whole
        return replace(whole, train=whole.train[:count], validation=whole.validation[: count // 5])

    @abstractmethod
    def kept(self, task: Task, record: Mapping[str, Any]) -> Line:
        """What is kept of a trained network and the record of its last epoch."""


def changed(work: Work) -> Recipe:
    """The recipe that a work names, with the settings of its group and its own, validated at the end."""
    return ffrec.recipe(work.recipe).override({**work.shared, **work.settings, "validate_every": 10**6})


def named(lines: Sequence[Line]) -> list[str]:
    """How a row of a table begins: the change with its settings, and how many seeds it has."""
    settings = ", ".join(f"`{key}={json.dumps(value)}`" for key, value in lines[0]["settings"].items())
    return [f"{lines[0]['change']} {settings}".strip(), str(len(lines))]


def lines_of(file: Path) -> list[Line]:
    """All that has been measured."""
    return [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []


def measured(works: Sequence[Work], file: Path) -> list[Line]:
    """The lines of a file that are of today's list and recipes, in the order of the list."""
    known = {work.name[:2]: work for work in works}
    order = list(known)

    def place(line: Line) -> tuple[str, str]:
        return line["group"], line["change"]

    current = [line for line in lines_of(file) if place(line) in known and known[place(line)].is_of(line)]
    return sorted(current, key=lambda line: (order.index(place(line)), line["seed"]))


def run(works: Sequence[Work], options: argparse.Namespace) -> None:
    """Train what is missing of this part of a list, in one thread."""
    torch.set_num_threads(1)
    place, parts = map(int, options.part.split("/"))
    for number, work in enumerate(works):
        done = {(line["group"], line["change"], line["seed"]) for line in measured(works, options.file)}
        wanted = options.group in work.title and (not options.only or work.change in options.only)
        if not wanted or work.name in done or number % parts != place % parts:
            continue
        line = work.line()
        with options.file.open("a") as file:
            file.write(f"{line}\n")
        print(*work.name, flush=True)


def tables(lines: Sequence[Line], head: Sequence[str], row: Callable[[Sequence[Line]], list[str]]) -> str:
    """A table for every group, with a row for each change: its runs differ in their seed alone."""
    parts = []
    for title, of_group in groupby(lines, lambda line: line["group"]):
        rows = [row(list(runs)) for _, runs in groupby(of_group, lambda line: line["change"])]
        parts.append(f"**{title}**\n\n{table(head, rows)}")
    return "\n\n".join(parts)


def parser(about: str, file: str) -> tuple[argparse.ArgumentParser, Any]:
    """The commands `run` and `show`, of results in a file; and where others can be added."""
    made = argparse.ArgumentParser(description=about)
    made.add_argument("--file", type=Path, default=Path(file))
    commands = made.add_subparsers(dest="command", required=True)
    one = commands.add_parser("run")
    one.add_argument("--group", default="", help="groups whose titles hold these words")
    one.add_argument("--only", nargs="+", help="changes, by name")
    one.add_argument("--seed", nargs="+", type=int, default=[0])
    one.add_argument("--part", default="1/1", help="which part of the work, of how many")
    commands.add_parser("show").add_argument("--into", type=Path)
    return made, commands

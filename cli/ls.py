"""`ffrec ls`: recipes and runs."""

import json
import re
from collections.abc import Iterable, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Annotated

import typer
from rich import box
from rich.console import Console
from rich.table import Column, Table

from cli import options
from cli.plugins import load_plugins
from cli.report import read_runs
from ffrec import registry
from ffrec.reports.groups import in_words
from ffrec.reports.summary import Summary

RUNS = Path("runs")


def ls(
    runs: Annotated[Path, typer.Option(help="Folder of run folders.")] = RUNS,
    menu: Annotated[bool, typer.Option("--menus", help="List what networks can be built from.")] = False,
    plugin: options.Plugins = None,
) -> None:
    """List the recipes, with the paper's result and the one to expect here, and the runs with their results.

    A folder that cannot be read is left out, with one line on stderr.
    """
    load_plugins(plugin)
    console = Console(markup=False)
    if menu:
        for name, entries in registry.menus().items():
            console.print(f"{name}: {', '.join(entries)}", soft_wrap=True, highlight=False)
        return
    found = read_runs(runs) if runs.exists() or runs != RUNS else []
    console.print(table_of_recipes())
    if found:
        console.print(table_of_runs(found))
    else:
        console.print(f"no runs in {runs} yet: try `ffrec demo`")


def table_of_recipes() -> Table:
    """Every recipe, with the paper's result and ours."""
    file = files("ffrec") / "expected.json"
    reached = json.loads(file.read_text()) if file.is_file() else {}
    recipes = registry.menu("recipe")
    table = Table(
        whole("recipe", recipes),
        "data",
        "layers",
        "epochs",
        "paper",
        "to expect",
        title="Recipes",
        caption="test errors, where nothing else is said; sources, seeds and devices: docs/results.md",
        box=box.SIMPLE_HEAD,
        padding=(0, 1, 0, 0),
    )
    for make in recipes.values():
        recipe = make()
        table.add_row(
            recipe.name,
            recipe.data,
            size(recipe.network.hidden),
            str(recipe.training.epochs),
            brief(recipe.paper),
            brief(reached.get(recipe.name, "–")),
        )
    return table


def table_of_runs(found: Sequence[Summary]) -> Table:
    """Every run, with what it reached."""
    table = Table(
        whole("run", [str(run.path) for run in found]),
        "recipe",
        "data",
        "seed",
        whole("test result", map(reached_by, found)),
        title="Runs",
        box=box.SIMPLE_HEAD,
    )
    for run in found:
        table.add_row(
            str(run.path),
            run.name,
            Path(run.recipe["data"]).name,
            str(run.config["seed"]),
            reached_by(run),
        )
    return table


def size(hidden: Sequence[int]) -> str:
    """Hidden layers as the papers write them: 3 × 500, or one by one where they differ."""
    if len(set(hidden)) == 1:
        return f"{len(hidden)} × {hidden[0]}"
    return ", ".join(str(units) for units in hidden) or "–"


def brief(result: str) -> str:
    """A result without what stands in brackets."""
    return re.sub(r" \([^)]*\)", "", result)


def reached_by(run: Summary) -> str:
    """What a run reached on the test set, in a few words."""
    if run.result is None:
        return "–"
    found = f"{run.result['test'][run.measure]:.2f}"
    return in_words(run.measure, found) + " by softmax" * (run.measure == "error_softmax")


def whole(title: str, names: Iterable[str]) -> Column:
    """A column that is wide enough for all that it holds, however narrow the terminal is."""
    return Column(title, no_wrap=True, min_width=max(map(len, names)))

"""`ffrec ls`: recipes and runs."""

import json
from collections.abc import Iterable
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Column, Table


def ls(runs: Annotated[Path, typer.Option(help="Folder of run folders.")] = Path("runs")) -> None:
    """List the recipes, with their paper, size and expected result, and the runs, with theirs."""
    from ffrec.recipes import RECIPES
    from ffrec.report import summaries

    console = Console()
    file = files("ffrec") / "expected.json"
    reached = json.loads(file.read_text()) if file.is_file() else {}
    table = Table(
        whole("recipe", RECIPES),
        "data",
        "layers",
        "epochs",
        "paper",
        "test result to expect",
        title="Recipes",
    )
    for make in RECIPES.values():
        recipe = make()
        size = " × ".join(str(units) for units in recipe.network.hidden) or "–"
        table.add_row(
            recipe.name,
            recipe.data,
            size,
            str(recipe.training.epochs),
            recipe.paper,
            reached.get(recipe.name, "–"),
        )
    console.print(table)
    found = summaries(runs)
    if not found:
        console.print(f"no runs in {runs} yet: try `ffrec demo`")
        return
    table = Table(
        whole("run", [str(run.path) for run in found]),
        "recipe",
        "data",
        "seed",
        "epochs",
        "test result",
        title="Runs",
    )
    for run in found:
        table.add_row(
            str(run.path),
            run.config["recipe"]["name"],
            Path(run.config["recipe"]["data"]).name,
            str(run.config["seed"]),
            str(len(run.metrics)),
            reached_by(run.result),
        )
    console.print(table)


def reached_by(result: dict[str, Any] | None) -> str:
    """What a run reached on the test set, in a few words."""
    if result is None:
        return "–"
    test = result["test"]
    if "perplexity" in test:
        alone = test.get("softmax_perplexity")
        return f"perplexity {test['perplexity']:.2f}" + (f", {alone:.2f} by softmax" if alone else "")
    by_goodness = f"{test['error_goodness']:.2f} % by goodness, " if "error_goodness" in test else ""
    return f"{by_goodness}{test['error_softmax']:.2f} % by softmax"


def whole(title: str, names: Iterable[str]) -> Column:
    """A column that is wide enough to copy its names from, however narrow the terminal is."""
    return Column(title, no_wrap=True, min_width=max(map(len, names)))

"""`ffrec report`: the table of results, made from run folders."""

from pathlib import Path
from typing import Annotated

import typer

START, END = "<!-- results -->", "<!-- /results -->"


def report(
    runs: Annotated[Path, typer.Argument(help="Folder of run folders.")] = Path("runs"),
    results: Annotated[bool, typer.Option("--results", help="Print one table of all finished runs.")] = False,
    into: Annotated[
        Path | None, typer.Option(help=f"Put that table between {START} and {END} in this file.")
    ] = None,
) -> None:
    """Write a page with pictures for every finished run, or the table of their results."""
    from ffrec.checkpoint import RunFolder, write_atomic
    from ffrec.config import ConfigError
    from ffrec.pictures import draw
    from ffrec.recipes import RECIPES
    from ffrec.report import page, results_table, summaries
    from ffrec.runs import plain

    if not results and into is None:
        for run in summaries(runs):
            if run.result:
                folder = RunFolder(run.path)
                print(page(folder, draw(folder)))
        return
    defaults = {name: plain(make()) for name, make in RECIPES.items()}
    table = results_table(summaries(runs), defaults)
    if into is None:
        print(table)
        return
    before, start, rest = into.read_text().partition(START)
    _, end, after = rest.partition(END)
    if not (start and end):
        raise ConfigError(f"{into}: expected the lines {START} and {END}, found none: add them")
    write_atomic(into, f"{before}{START}\n{table}\n{END}{after}".encode())

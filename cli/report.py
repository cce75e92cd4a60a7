"""`ffrec report`: the table of results, made from run folders."""

import json
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
    expected: Annotated[
        Path | None, typer.Option(help="Write what each recipe reached to this file, for `ffrec ls`.")
    ] = None,
) -> None:
    """Write a page with pictures for every finished run, or the table of their results."""
    from ffrec import report as write
    from ffrec.checkpoint import RunFolder, write_atomic
    from ffrec.config import ConfigError
    from ffrec.pictures import draw
    from ffrec.recipes import RECIPES
    from ffrec.runs import plain

    found = write.summaries(runs)
    defaults = {name: plain(make()) for name, make in RECIPES.items()}
    if not (results or into or expected):
        for run in found:
            if run.result:
                folder = RunFolder(run.path)
                print(write.page(folder, draw(folder)))
    if results:
        print(write.results_table(found, defaults))
    if expected:
        write_atomic(expected, (json.dumps(write.expected(found, defaults), indent=2) + "\n").encode())
    if into:
        before, start, rest = into.read_text().partition(START)
        _, end, after = rest.partition(END)
        if not (start and end):
            raise ConfigError(f"{into}: expected the lines {START} and {END}, found none: add them")
        table = write.results_table(found, defaults)
        write_atomic(into, f"{before}{START}\n{table}\n{END}{after}".encode())

"""`ffrec report`: the table of results, made from run folders."""

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer


def report(
    runs: Annotated[Path, typer.Argument(help="Folder of run folders.")] = Path("runs"),
    results: Annotated[bool, typer.Option("--results", help="Print one table of all finished runs.")] = False,
    into: Annotated[
        Path | None,
        typer.Option(help="Put that table between <!-- results --> and <!-- /results --> in this file."),
    ] = None,
    expected: Annotated[
        Path | None, typer.Option(help="Write what each recipe reached to this file, for `ffrec ls`.")
    ] = None,
) -> None:
    """Write a page with pictures for every run that has finished an epoch, or the table of results."""
    from ffrec.recipes import RECIPES
    from ffrec.reports import tables as write
    from ffrec.reports.pictures import draw
    from ffrec.storage.checkpoint import RunFolder, write_atomic
    from ffrec.training.runs import completed, plain

    found = [replace(run, config=completed(run.config)) for run in write.summaries(runs)]
    defaults = {name: plain(make()) for name, make in RECIPES.items()}
    if not (results or into or expected):
        for run in found:
            if run.metrics:
                folder = RunFolder(run.path)
                print(write.page(folder, draw(folder)))
    if results:
        print(write.results_table(found, defaults))
    if expected:
        write_atomic(expected, (json.dumps(write.expected(found, defaults), indent=2) + "\n").encode())
    if into:
        put_between(into, "results", write.results_table(found, defaults))


def put_between(file: Path, name: str, table: str) -> None:
    """Replace what stands between a file's two marker lines of that name, and nothing else.

    Raises ConfigError without them.
    """
    from ffrec.config import ConfigError
    from ffrec.storage.checkpoint import write_atomic

    start, end = f"<!-- {name} -->", f"<!-- /{name} -->"
    text = file.read_bytes().decode()  # not read_text: that would change the ends of all lines
    marked = re.search(rf"^{re.escape(start)}\r?\n(.*?)^{re.escape(end)}\r?$", text, re.DOTALL | re.MULTILINE)
    if not marked:
        raise ConfigError(f"{file}: expected the lines {start} and {end}, found none: add them")
    write_atomic(file, f"{text[: marked.start(1)]}{table}\n{text[marked.end(1) :]}".encode())

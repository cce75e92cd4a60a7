"""`ffrec report`: tables of results and pages of runs, made from run folders."""

import json
import re
import sys
from pathlib import Path
from typing import Annotated

import typer

from cli.compared import data_faults
from ffrec.config import ConfigError
from ffrec.recipes import RECIPES
from ffrec.reports.figures import draw
from ffrec.reports.headline import headline_table
from ffrec.reports.page import page
from ffrec.reports.summary import Summary, read_all
from ffrec.reports.tables import expected as to_expect
from ffrec.reports.tables import results_table
from ffrec.storage.files import RunError, write_atomic
from ffrec.tasks.recorded import completed, plain


def report(
    runs: Annotated[Path, typer.Argument(help="Folder of run folders.")] = Path("runs"),
    results: Annotated[bool, typer.Option("--results", help="Print the tables of results.")] = False,
    into: Annotated[
        Path | None,
        typer.Option(help="Put those tables between <!-- results --> and <!-- /results --> in this file."),
    ] = None,
    headline: Annotated[
        Path | None,
        typer.Option(
            help="Put the table of chosen results between <!-- headline --> and <!-- /headline --> in "
            "this file."
        ),
    ] = None,
    expected: Annotated[
        Path | None, typer.Option(help="Write what each recipe reached to this file, for `ffrec ls`.")
    ] = None,
) -> None:
    """Write a page with figures for every run that has finished an epoch, or tables of results.

    A folder that cannot be read is left out, with one line on stderr; so much is said, too, of a run that was
    trained on other data than is there now.
    """

    found = read_runs(runs)
    if not found:
        raise RunError(f"{runs}: expected a folder of run folders, found no run in it: check the path")
    for fault in data_faults(found):
        print(f"ffrec: {fault}", file=sys.stderr)
    if not (results or into or headline or expected):
        write_pages(found)
        return
    defaults = {name: plain(make()) for name, make in RECIPES.items()}
    if results:
        print(results_table(found, defaults))
    if expected:
        write_atomic(expected, (json.dumps(to_expect(found, defaults), indent=2) + "\n").encode())
    if into:
        put_between(into, "results", results_table(found, defaults))
    if headline:
        put_between(headline, "headline", headline_table(found, defaults))


def read_runs(runs: Path) -> list[Summary]:
    """Every run folder directly under `runs`, with settings by today's names; one line on stderr for each
    folder that cannot be read. Raises RunError without a folder."""
    if not runs.is_dir():
        raise RunError(f"{runs}: expected a folder of run folders, found nothing: check the path")
    found, faults = read_all(runs, completed)
    for fault in faults:
        skip(fault)
    return found


def skip(fault: str) -> None:
    """Say on stderr, in one line, why a folder is left out."""
    print(f"ffrec: skipped: {fault}", file=sys.stderr)


def write_pages(found: list[Summary]) -> None:
    """Draw every run that has finished an epoch, and print the path of its page."""

    for run in found:
        if run.metrics:
            try:
                print(page(run, draw(run)))
            except RunError as error:
                skip(str(error))


def put_between(file: Path, name: str, table: str) -> None:
    """Replace what stands between a file's two marker lines of that name, and nothing else.

    Raises ConfigError without them.
    """

    start, end = f"<!-- {name} -->", f"<!-- /{name} -->"
    if not file.is_file():
        raise ConfigError(
            f"{file}: expected a file with the lines {start} and {end}, found none: check the path"
        )
    try:
        text = file.read_bytes().decode()  # not read_text: that would change the ends of all lines
    except UnicodeDecodeError:
        raise ConfigError(f"{file}: expected UTF-8 text, found other bytes: check the path") from None
    marked = re.search(rf"^{re.escape(start)}\r?\n(.*?)^{re.escape(end)}\r?$", text, re.DOTALL | re.MULTILINE)
    if not marked:
        raise ConfigError(f"{file}: expected the lines {start} and {end}, found none: add them")
    write_atomic(file, f"{text[: marked.start(1)]}{table}\n{text[marked.end(1) :]}".encode())

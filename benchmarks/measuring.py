"""What scripts have in common that measure runs, keep a line for each in a file, and show them as tables."""

import argparse
import json
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from cli.report import put_between

Line = dict[str, Any]


def command(
    about: str,
    file: str,
    marker: str,
    measure: Callable[[str], Line],
    tables: Callable[[list[Line]], Iterable[str]],
) -> None:
    """The command line `measure NAME …`, which adds a line for each, and `show [--into PAGE]`."""
    parser = argparse.ArgumentParser(description=about)
    parser.add_argument("--file", type=Path, default=Path("results") / file)
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("measure").add_argument("names", nargs="+", metavar="NAME")
    commands.add_parser("show").add_argument("--into", type=Path, metavar="PAGE")
    asked = parser.parse_args()
    if asked.command == "show":
        if not asked.file.is_file():
            parser.error(f"{asked.file}: expected what `measure` has written, found no file: measure first")
        lines = [json.loads(line) for line in asked.file.read_text().splitlines()]
        present("\n\n".join(tables(lines)), marker, asked.into)
        return
    for name in asked.names:
        line = json.dumps(measure(name))
        with asked.file.open("a") as kept:
            kept.write(f"{line}\n")


def present(shown: str, marker: str, page: Path | None) -> None:
    """Put tables between a page's markers, or print them."""
    if page:
        put_between(page, marker, shown)
    else:
        print(shown)

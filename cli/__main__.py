"""`ffrec` and `python -m cli`: the commands, each imported when it is called."""

import ctypes
import os
import sys
from importlib import import_module
from typing import Any

from cli import errors
from cli.console.signals import at_once, once
from cli.console.terminal import fit_encoding, last_words

with at_once():
    import typer
    from typer.core import TyperGroup

COMMANDS = {
    "demo": "Learn embedded digits, then fables, in about a minute each.",
    "train": "Train a recipe, also on images or a text of your own.",
    "evaluate": "Evaluate a trained run on validation and test images.",
    "confidence": "How sure a run may be, and what it saves or refuses by that.",
    "robustness": "Evaluate trained runs on corrupted test images.",
    "views": "Evaluate trained runs on shifts and mirror images.",
    "layers": "Evaluate each layer of trained runs.",
    "predict": "Classify image files with a trained run.",
    "perplexity": "Perplexity of a character run, symbol by symbol.",
    "sample": "Generate text with a character run.",
    "dream": "Generate negative strings with a character run.",
    "plot": "Draw one run, or several in one picture.",
    "ls": "List the recipes and the runs.",
    "recipe": "Show the settings of a recipe, and what they mean.",
    "report": "Write a page for every run, or the table of results.",
    "data": "Data sets: list, fetch, verify.",
    "bench": "How fast this machine trains, as ratios.",
    "tune": "Search settings of a recipe on validation data.",
    "sweep": "Grids of recipes: the sleep study, local rules side by side.",
}
"""Every command, in the order of the help; the module `cli.NAME` has it as `app` or as a function NAME."""
MEASURES = ("confidence", "robustness", "views", "layers", "recipe")
FOLDERS = dict.fromkeys(MEASURES, "measures.") | {"tune": "studies."}
"""In which folder of `cli` a command's module is, for those that are in one."""


class LazyGroup(TyperGroup):
    """Commands by name, of which only the one that is called is imported."""

    def list_commands(self, _context: Any) -> list[str]:
        return list(COMMANDS)

    def get_command(self, _context: Any, name: str) -> Any:
        if name not in COMMANDS:
            return None
        with at_once():
            module = import_module(f"cli.{FOLDERS.get(name, '')}{name}")
        if not hasattr(module, "app"):
            single = typer.Typer(add_completion=False, rich_markup_mode=None)
            single.command(name)(getattr(module, name))
            module.app = single  # type: ignore[attr-defined]
        command = typer.main.get_command(module.app)
        command.name = name
        return command

    def format_commands(self, _context: Any, formatter: Any) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


app = typer.Typer(cls=LazyGroup, no_args_is_help=True, pretty_exceptions_enable=False, rich_markup_mode=None)


@app.callback()
def group() -> None:
    """Forward-Forward learning: networks for images and characters, trained without any backward pass."""


def run(arguments: list[str] | None = None) -> int:
    """Run one command line, that of the process if none is given; returns the exit code.

    Every mistake of the user is one line on stderr; a defect of ours is raised.
    """
    try:
        return app(args=arguments, prog_name="ffrec", standalone_mode=False) or errors.DONE
    except (Exception, KeyboardInterrupt) as error:
        return errors.report(error)


def keep_freed_memory() -> None:
    """Have the C library keep the memory of freed tensors, where it is glibc: every update makes the same
    ones again, and fresh pages cost large batches as much as a fifth of their time."""
    library = ctypes.CDLL(None) if sys.platform == "linux" else None
    if set_option := getattr(library, "mallopt", None):
        set_option(-1, 2**31 - 1)  # M_TRIM_THRESHOLD: what may lie free before it is given back
        set_option(-3, 2**25)  # M_MMAP_THRESHOLD, at its largest: what is never kept


def main() -> None:
    """Run the command line of this process, and end it.

    Under torchrun it ends at once: threads of gloo that still hold tensors abort a Python that cleans up
    (pytorch/pytorch#179291).
    """
    keep_freed_memory()
    fit_encoding()
    with once():
        code = last_words(run())
    if "RANK" in os.environ:
        os._exit(code)
    sys.exit(code)


if __name__ == "__main__":
    main()

"""`ffrec` and `python -m cli`: the commands, and one clear line for every mistake."""

import sys

import typer

from cli import data, sweep
from cli.demo import demo
from cli.dream import dream
from cli.evaluate import evaluate
from cli.ls import ls
from cli.perplexity import perplexity
from cli.plot import plot
from cli.report import report
from cli.sample import sample
from cli.train import train

app = typer.Typer(
    help="Forward-Forward learning: networks for images and characters, trained without any backward pass.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
for command in (demo, train, evaluate, perplexity, sample, dream, plot, ls, report):
    app.command()(command)
app.add_typer(data.app, name="data", help="Data sets: list, fetch, verify.")
app.add_typer(sweep.app, name="sweep", help="Sweeps: the grid of the sleep study, and its tables.")

BAD_INPUT, FAILED, INTERRUPTED = 2, 1, 130


def fault(error: Exception) -> int | None:
    """The exit code of an error that a user can mend; None for a defect of ours."""
    if hasattr(error, "format_message"):
        return BAD_INPUT
    from corpora import DataError
    from ffrec.config import ConfigError
    from ffrec.storage.files import RunError
    from ffrec.training.trainer import Diverged

    if isinstance(error, Diverged):
        return FAILED
    return BAD_INPUT if isinstance(error, DataError | RunError | ConfigError | OSError) else None


def main() -> None:
    """Run the command line; every mistake of the user ends in one line on stderr and exit code 2."""
    try:
        sys.exit(app(standalone_mode=False))
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)
    except Exception as error:
        if type(error).__name__ == "Abort":
            sys.exit(INTERRUPTED)
        code = fault(error)
        if code is None:
            raise
        # what click and typer raise for a wrong command line says it in format_message
        message = error.format_message() if hasattr(error, "format_message") else str(error)
        print("ffrec: " + " ".join(message.split()), file=sys.stderr)
        sys.exit(code)


if __name__ == "__main__":
    main()

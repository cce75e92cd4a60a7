"""`ffrec perplexity`: how well a trained run predicts text, beside what else could."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from cli import corpus, options
from cli.answers import note, print_result
from cli.trained import open_run
from corpora import Alphabet
from ffrec.reports.worth import RATIO, worth
from ffrec.tasks.sequence_baselines import sequence_baselines
from ffrec.tasks.text import TextTask, TrainedText
from ffrec.tasks.text_baselines import network_baselines, softmax_twin


def perplexity(
    run: options.Run,
    text: Annotated[
        Path | None, typer.Option(help="Evaluate this text file instead of the run's own text.")
    ] = None,
    baselines: Annotated[
        bool,
        typer.Option(
            "--baselines", help="Also train random features and backprop nets of the same shape (minutes)."
        ),
    ] = False,
    sequences: Annotated[
        float | None,
        typer.Option(
            min=0.01,
            max=100_000,
            help="Also train a transformer and an LSTM, each for so many minutes of a processor.",
        ),
    ] = None,
    data: options.Data = None,
    device: options.Device = "auto",
    plugin: options.Plugins = None,
    json: options.Json = False,
) -> None:
    """Perplexity and bits per character of a character run, with 95 % intervals, symbol by symbol.

    Beside it stand models that count the training strings: uniform, unigram and Kneser-Ney.
    """
    for name, given in {"--baselines": baselines, "--sequences": sequences is not None}.items():
        if text and given:
            raise typer.BadParameter(f"{name} compares on the run's own text: leave out --text")
    trained = open_run(run, TrainedText, data, device, plugin)
    if baselines:
        softmax_twin(trained.recipe)  # refuses what has none, before anything is evaluated
    alphabet = Alphabet.of_symbols(trained.symbols)
    if text:
        strings, deleted = corpus.cut(text, alphabet, trained.recipe.network.window + 1)
        result = trained.evaluate_other(strings)
        result["text"]["deleted"] = dict(deleted)
    else:
        note("evaluating all strings …")
        result, deleted = trained.evaluate(), None
        if baselines:
            note("training networks to compare with: minutes to hours …")
            found = trained_baselines(trained)
            result["worth"] = worth(result, found)
            result["baselines"] |= found
        if sequences:
            note("training a transformer and an LSTM …")
            result["baselines"] |= sequence_baselines(
                trained.folder, trained.whole, len(trained.symbols), trained.device, sequences
            )
    lines = (
        TextTask.summary(result)
        + worth_lines(result.get("worth", {}))
        + symbol_lines(result["text" if text else "test"]["by_symbol"], trained)
    )
    print_result(result, lines, json)
    if deleted and not json:
        options.print_deleted(deleted, alphabet.unknown)


def trained_baselines(trained: TrainedText) -> dict[str, Any]:
    """Networks of the run's shape, trained on its strings."""
    text, symbols = trained.text, len(trained.symbols)
    return network_baselines(trained.folder, trained.recipe, trained.train, text, symbols, trained.device)


def worth_lines(found: Mapping[str, float]) -> list[str]:
    """What learning is worth, on the test strings."""
    said = [f"{name} {v:.3f}" if name == RATIO else f"{name} {100 * v:.1f} %" for name, v in found.items()]
    return [f"            test perplexity: {', '.join(said)}"] if said else []


def symbol_lines(found: dict[str, list[float]], trained: TrainedText) -> list[str]:
    """Which symbols are hard: hardest first, four in a row."""
    symbols: Sequence[str] = trained.symbols
    rows = sorted(
        (row for row in zip(found["perplexity"], found["count"], symbols, strict=True) if row[1]),
        reverse=True,
    )
    cells = [f"{symbol!r}{hard:10.1f} ({count})".ljust(24) for hard, count, symbol in rows]
    return [
        "perplexity where each symbol followed, hardest first (and how often it did)",
        *("   ".join(cells[start : start + 4]) for start in range(0, len(cells), 4)),
    ]

"""`ffrec perplexity`: how well a trained run predicts text, beside what else could."""

from pathlib import Path
from typing import Annotated

import typer

from cli import options


def perplexity(
    run: options.Run,
    text: Annotated[
        Path | None, typer.Option(help="Judge this text file instead of the run's own text.")
    ] = None,
    baselines: Annotated[
        bool,
        typer.Option(
            "--baselines", help="Also train random features and backprop nets of the same shape (minutes)."
        ),
    ] = False,
    data: options.Data = None,
    device: options.Device = "auto",
    json: options.Json = False,
) -> None:
    """Perplexity and bits per character of a character run, with 95 % intervals, symbol by symbol."""
    import torch

    import corpora
    from cli.progress import note
    from cli.writer import load_writer
    from corpora.text import cut, read_file
    from ffrec.evaluation.text import evaluate_text
    from ffrec.training.runs import describe
    from ffrec.training.runs_text import counted_baselines, evaluate_parts, network_baselines

    folder, recipe, corpus, network = load_writer(run, data, device)
    where = network.device
    result = describe(folder, where)
    if text:
        if baselines:
            raise typer.BadParameter("--baselines compares on the run's own text: leave out --text")
        strings, deleted = cut(read_file(text), str(text), network.config.window + 1)
        result["text"] = evaluate_text(network, strings.to(where)) | {"deleted": dict(deleted)}
    else:
        note(f"judging {sum(map(len, (corpus.train, corpus.validation, corpus.test)))} strings …")
        train = corpus.train[: recipe.training.strings]
        with torch.no_grad():
            result |= evaluate_parts(network, recipe.training, corpus)
        result["baselines"] = counted_baselines(train, corpus, network.config.window, network.symbols)
        result["deleted"] = dict(corpus.deleted)
        if baselines:
            note("training networks to compare with: minutes to hours …")
            result["baselines"] |= network_baselines(folder, recipe, corpus, network.symbols, where)
    options.print_text_result(result, json)
    if not json:
        print_symbols(result["text" if text else "test"]["by_symbol"], corpora.ALPHABET)
        options.print_deleted(result["text"]["deleted"] if text else result["deleted"])


def print_symbols(found: dict[str, list[float]], symbols: str) -> None:
    """Which symbols are hard: hardest first, four in a row."""
    rows = sorted(
        (row for row in zip(found["perplexity"], found["count"], symbols, strict=True) if row[1]),
        reverse=True,
    )
    print("perplexity where each symbol followed, hardest first (and how often it did)")
    for start in range(0, len(rows), 4):
        print(
            "   ".join(
                f"{symbol!r}{hard:10.1f} ({count})".ljust(24)
                for hard, count, symbol in rows[start : start + 4]
            )
        )

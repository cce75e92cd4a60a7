"""`ffrec dream`: negative strings that a network generates, and the goodness of real and negative ones."""

from pathlib import Path
from typing import Annotated

import typer

from cli import options
from cli.trained import open_run
from corpora import Alphabet
from ffrec.reports.figures.canvas import save
from ffrec.reports.figures.histograms import pair_accuracy, real_and_generated
from ffrec.storage.files import write_atomic
from ffrec.tasks.text import TrainedText


def dream(
    run: options.Run,
    count: Annotated[int, typer.Option(min=1, help="Strings to generate.")] = 10,
    out: Annotated[Path | None, typer.Option(help="File to write them to, one a line.")] = None,
    score: Annotated[
        bool, typer.Option("--score", help="Print every string's goodness per layer, real and negative.")
    ] = False,
    temperature: Annotated[float, typer.Option(min=0, help="0 always takes the likeliest character.")] = 1.0,
    seed: Annotated[int, typer.Option(min=0, max=2**32 - 1, help="Seed of the characters drawn.")] = 0,
    data: options.Data = None,
    device: options.Device = "auto",
    plugin: options.Plugins = None,
) -> None:
    """Generate negative strings: they go on from the beginnings of real, held-out ones."""
    trained = open_run(run, TrainedText, data, device, plugin)
    alphabet = Alphabet.of_symbols(trained.symbols)
    found = trained.dream(count, seed, temperature)
    lines = [alphabet.decode(string) for string in found["dreamt"]]
    if out:
        write_atomic(out, "".join(f"{line}\n" for line in lines).encode())
    for i, line in enumerate(lines):
        if score or not out:
            print(line)
        if score:
            layers = zip(found["positive"][:, i].tolist(), found["negative"][:, i].tolist(), strict=True)
            values = "   ".join(
                f"layer {n}: {real:.3f} {negative:.3f}" for n, (real, negative) in enumerate(layers, 1)
            )
            print(f"{i + 1:6d}  goodness, real and negative: {values}")
    if score:
        both = found["positive"].numpy(), found["negative"].numpy()
        for layer, share in enumerate(pair_accuracy(*both), 1):
            print(
                f"layer {layer}: of all pairs of a real and a negative string, {100 * share:.1f} % have "
                "the higher goodness for the real one"
            )
        thresholds = trained.network.config.thresholds
        print(
            save(
                real_and_generated(*both, thresholds), trained.folder.path / "pictures" / "dreams_scored.png"
            )
        )

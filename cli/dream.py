"""`ffrec dream`: negative strings that a network generates, and the goodness of real and negative ones."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import torch
import typer
from torch import Tensor

from cli import options
from cli.progress import counting
from cli.trained import open_run
from corpora import Alphabet
from ffrec.reports.figures.canvas import save
from ffrec.reports.figures.examples import Array
from ffrec.reports.figures.histograms import pair_accuracy, real_and_generated
from ffrec.storage.files import streamed
from ffrec.tasks.text import TrainedText


def dream(
    run: options.Run,
    count: Annotated[int, typer.Option(min=1, help="Strings to generate.")] = 10,
    out: Annotated[
        Path | None, typer.Option(dir_okay=False, help="File to write them to, one a line.")
    ] = None,
    score: Annotated[
        bool, typer.Option("--score", help="Print every string's goodness per layer, real and negative.")
    ] = False,
    temperature: options.Temperature = 1.0,
    seed: Annotated[int, typer.Option(min=0, max=2**32 - 1, help="Seed of the characters drawn.")] = 0,
    data: options.Data = None,
    device: options.Device = "auto",
    plugin: options.Plugins = None,
) -> None:
    """Generate negative strings: they go on from the beginnings of real, held-out ones."""
    trained = open_run(run, TrainedText, data, device, plugin)
    alphabet = Alphabet.of_symbols(trained.symbols)
    positive: list[Tensor] = []
    negative: list[Tensor] = []
    needed = count * (trained.text.train.shape[1] + 1)  # at least: some symbols have several bytes
    with written(out, needed) as write, counting("strings", count) as done:
        for found in trained.dream(count, seed, temperature):
            lines = [alphabet.decode(string) for string in found["dreamt"]]
            write("".join(f"{line}\n" for line in lines))
            if score:
                show(lines, found, sum(len(part) for part in positive) + 1)
                positive.append(found["positive"].T)
                negative.append(found["negative"].T)
            elif not out:
                print("\n".join(lines))
            done(len(lines))
    if score:
        summarise(trained, torch.cat(positive).T.numpy(), torch.cat(negative).T.numpy())


@contextmanager
def written(out: Path | None, needed: int) -> Iterator[Callable[[str], object]]:
    """What writes text of so many bytes to a file, which is there once all is written; without a file it does
    nothing."""
    if out is None:
        yield lambda _text: None
        return
    with streamed(out, needed) as write:
        yield lambda text: write(text.encode())


def show(lines: list[str], found: dict[str, Tensor], first: int) -> None:
    """Print strings, numbered from `first` on, each with its goodness in every layer."""
    for i, line in enumerate(lines):
        print(line)
        layers = zip(found["positive"][:, i].tolist(), found["negative"][:, i].tolist(), strict=True)
        values = "   ".join(
            f"layer {n}: {real:.3f} {negative:.3f}" for n, (real, negative) in enumerate(layers, 1)
        )
        print(f"{first + i:6d}  goodness, real and negative: {values}")


def summarise(trained: TrainedText, positive: Array, negative: Array) -> None:
    """Print how many pairs have the higher goodness for the real string, and draw both."""
    for layer, share in enumerate(pair_accuracy(positive, negative), 1):
        print(
            f"layer {layer}: of all pairs of a real and a negative string, {100 * share:.1f} % have "
            "the higher goodness for the real one"
        )
    figure = real_and_generated(positive, negative, trained.network.config.thresholds)
    print(save(figure, trained.folder.path / "pictures" / "dreams_scored.png"))

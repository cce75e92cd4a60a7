"""`ffrec sample`: text that a network generates."""

from itertools import islice
from typing import Annotated

import torch
import typer

from cli import options
from cli.answers import note
from cli.trained import open_run
from corpora import Alphabet
from ffrec.data.draws import Draws
from ffrec.tasks.text import TrainedText


def sample(
    run: options.Run,
    prompt: Annotated[str, typer.Option(help="What to go on from; padded with spaces in front.")] = "",
    length: Annotated[int, typer.Option(min=0, help="Characters to generate.")] = 200,
    count: Annotated[int, typer.Option(min=1, help="Texts to generate.")] = 1,
    temperature: options.Temperature = 1.0,
    top_k: Annotated[
        int | None, typer.Option(min=1, help="Choose among so many of the likeliest characters.")
    ] = None,
    top_p: Annotated[
        float,
        typer.Option(
            min=0, max=1, callback=options.finite, help="Choose among the likeliest that make up this share."
        ),
    ] = 1.0,
    seed: Annotated[
        int | None, typer.Option(min=0, max=2**32 - 1, help="Repeats what was generated; new if not given.")
    ] = None,
    lenient: Annotated[
        bool, typer.Option("--lenient", help="Drop or replace what is not in the alphabet in the prompt.")
    ] = False,
    data: options.Data = None,
    device: options.Device = "auto",
    plugin: options.Plugins = None,
) -> None:
    """Generate text with a character run, printed character by character."""
    trained = open_run(run, TrainedText, data, device, plugin)
    network, symbols, alphabet = trained.network, trained.symbols, Alphabet.of_symbols(trained.symbols)
    if top_k and top_k > len(symbols):
        raise typer.BadParameter(f"--top-k: expected 1 to {len(symbols)}, found {top_k}")
    normal, foreign = alphabet.normalise(prompt)
    if foreign and not lenient:
        raise typer.BadParameter(
            f"--prompt: expected the symbols {''.join(symbols)!r}, found "
            f"{', '.join(repr(c) for c in sorted(foreign))}: leave them out, or give --lenient"
        )
    size, where = network.config.window, trained.device
    context = alphabet.encode(padded(normal, size, symbols))[None].to(where)
    if seed is None:
        seed = torch.seed() % 2**32
        note(f"--seed {seed} repeats this")
    drawn = Draws(seed, where)
    for _ in range(count):
        print(normal, end="", flush=True)
        with torch.no_grad():
            for chosen in islice(network.continuation(context, drawn, temperature, top_k, top_p), length):
                print(alphabet.decode(chosen), end="", flush=True)
        print()


def padded(prompt: str, size: int, symbols: tuple[str, ...]) -> str:
    """A prompt of at least `size` symbols: spaces in front, or the first symbol where there is no space."""
    return prompt.rjust(size, " " if " " in symbols else symbols[0])

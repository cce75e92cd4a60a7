"""`ffrec sample`: text in the network's own words."""

from typing import Annotated

import typer

from cli import options


def sample(
    run: options.Run,
    prompt: Annotated[str, typer.Option(help="What to go on from; padded with spaces in front.")] = "",
    length: Annotated[int, typer.Option(min=0, help="Characters to write.")] = 200,
    count: Annotated[int, typer.Option(min=1, help="Texts to write.")] = 1,
    temperature: Annotated[float, typer.Option(min=0, help="0 always writes the likeliest character.")] = 1.0,
    top_k: Annotated[
        int | None, typer.Option(min=1, help="Choose among so many of the likeliest characters.")
    ] = None,
    top_p: Annotated[
        float, typer.Option(min=0, max=1, help="Choose among the likeliest that make up this share.")
    ] = 1.0,
    seed: Annotated[
        int | None, typer.Option(min=0, max=2**32 - 1, help="Repeats what was written; new if not given.")
    ] = None,
    lenient: Annotated[
        bool, typer.Option("--lenient", help="Drop what is not in the alphabet from the prompt.")
    ] = False,
    data: options.Data = None,
    device: options.Device = "auto",
) -> None:
    """Write text from a character run, as it comes to the network."""
    import torch

    import corpora
    from cli.progress import note
    from cli.writer import load_writer

    if top_k and top_k > len(corpora.ALPHABET):
        raise typer.BadParameter(f"--top-k: expected 1 to {len(corpora.ALPHABET)}, found {top_k}")
    normal, deleted = corpora.normalise(prompt)
    if deleted and not lenient:
        raise typer.BadParameter(
            f"--prompt: expected a-z, space, comma, semicolon and full stop, found "
            f"{', '.join(repr(c) for c in sorted(deleted))}: leave them out, or give --lenient"
        )
    *_, network = load_writer(run, data, device)
    size, where = network.config.window, network.device
    context = corpora.encode(normal.rjust(size))[-size:].to(where)
    if seed is None:
        seed = torch.seed() % 2**32
        note(f"--seed {seed} repeats this")
    drawn = torch.Generator(where).manual_seed(seed)
    for _ in range(count):
        print(normal, end="", flush=True)
        window = context[None]
        for _ in range(length):
            with torch.no_grad():
                window = network.generate(window, 1, drawn, temperature, top_k, top_p)[:, 1:]
            print(corpora.decode(window[0, -1:]), end="", flush=True)
        print()

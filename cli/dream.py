"""`ffrec dream`: negative strings that a network makes up, and whether it can tell them from real ones."""

from pathlib import Path
from typing import Annotated

import typer

from cli import options


def dream(
    run: options.Run,
    count: Annotated[int, typer.Option(min=1, help="Strings to dream.")] = 10,
    out: Annotated[Path | None, typer.Option(help="File to write them to, one a line.")] = None,
    score: Annotated[
        bool, typer.Option("--score", help="Print every string's goodness per layer, real against dreamt.")
    ] = False,
    temperature: Annotated[float, typer.Option(min=0, help="0 always writes the likeliest character.")] = 1.0,
    seed: Annotated[int, typer.Option(min=0, max=2**32 - 1, help="Seed of the characters drawn.")] = 0,
    data: options.Data = None,
    device: options.Device = "auto",
) -> None:
    """Dream negative strings: they go on from the beginnings of real, held-out ones."""
    import corpora
    from cli.writer import load_writer
    from ffrec.reports.canvas import save
    from ffrec.reports.pictures import dreamt, told_apart
    from ffrec.storage.files import write_atomic
    from ffrec.training.runs_text import dreamt_examples

    folder, _, corpus, network = load_writer(run, data, device)
    held_out = corpus.validation.to(network.offsets.device)
    strings = held_out.repeat(-(-count // len(held_out)), 1)[:count]
    found = dreamt_examples(network, strings, seed, temperature)
    lines = [corpora.decode(string) for string in found["dreamt"]]
    if out:
        write_atomic(out, "".join(f"{line}\n" for line in lines).encode())
    for i, line in enumerate(lines):
        if score or not out:
            print(line)
        if score:
            layers = zip(found["positive"][:, i].tolist(), found["negative"][:, i].tolist(), strict=True)
            judged = "   ".join(
                f"layer {n}: {real:.3f} {dreamt:.3f}" for n, (real, dreamt) in enumerate(layers, 1)
            )
            print(f"{i + 1:6d}  goodness, real and dreamt: {judged}")
    if score:
        both = found["positive"].numpy(), found["negative"].numpy()
        for layer, share in enumerate(told_apart(*both), 1):
            print(
                f"layer {layer}: of all pairs of a real and a dreamt string, {100 * share:.1f} % have "
                "the real one judged higher"
            )
        print(save(dreamt(*both, network.config.thresholds), folder.path / "pictures" / "dreams_scored.png"))

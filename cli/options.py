"""Options and small answers that several commands share."""

import math
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import typer


def finite(value: float) -> float:
    """The number itself; raises typer.BadParameter for nan, which is neither below nor above any limit, and
    for infinity."""
    if not math.isfinite(value):
        raise typer.BadParameter(f"expected a number, found {value}")
    return value


Data = Annotated[
    Path | None,
    typer.Option(help="Folder with data sets, one folder each; otherwise the one that FFREC_DATA names."),
]
Device = Annotated[Literal["auto", "cpu", "cuda", "mps"], typer.Option(help="Where to compute.")]
Json = Annotated[bool, typer.Option("--json", help="Print exactly one JSON object on stdout.")]
Plugins = Annotated[
    list[Path] | None,
    typer.Option("--plugin", help="A Python file that registers parts of your own; may be repeated."),
]
Precision = Annotated[
    Literal["auto", "fp32", "tf32", "bf16"],
    typer.Option(help="Of matrix products; auto is bf16 where the device is fast at it, otherwise fp32."),
]
Temperature = Annotated[
    float, typer.Option(min=0, callback=finite, help="0 always takes the likeliest character.")
]
Run = Annotated[Path, typer.Argument(help="A run folder.")]
Set = Annotated[list[str] | None, typer.Option("--set", help="key=value with a TOML value; may be repeated.")]


def parse_settings(pairs: list[str]) -> dict[str, Any]:
    """`key=value` pairs with TOML values as a dict; a bare word is a string. Raises typer.BadParameter."""
    settings: dict[str, Any] = {}
    for pair in pairs:
        key, equals, text = pair.partition("=")
        if not equals:
            raise typer.BadParameter(f"--set expects key=value, found {pair!r}: for example --set epochs=4")
        if text.strip() == "none":  # TOML has no word for it
            settings[key.strip()] = None
            continue
        try:
            settings[key.strip()] = tomllib.loads(f"value = {text}")["value"]
        except (ValueError, RecursionError):  # a number of thousands of digits is not even bad TOML
            word = text.strip().replace("-", "").replace("_", "")
            if not word.isalnum() or word.isdecimal():
                shown = text if len(text) <= 80 else f"{text[:79]}…"
                raise typer.BadParameter(
                    f"--set {key}: expected a TOML value, found {shown!r}: for example hidden=[500,500]"
                ) from None
            settings[key.strip()] = text.strip()
    return settings


def needs_extra(name: str) -> str:
    """What to say where an extra of that name is not installed."""
    return f"this needs the extra {name!r}: pip install -c constraints.txt '.[{name}]' in the clone"


def print_deleted(deleted: Mapping[str, int], unknown: str | None = None) -> None:
    """What of a text is not in the alphabet, and was deleted, or replaced by the symbol `unknown`."""
    if deleted:
        most = sorted(deleted.items(), key=lambda item: -item[1])[:10]
        done = f"replaced by {unknown}:" if unknown else "deleted"
        print(
            f"{done} {sum(deleted.values())} characters outside the alphabet: "
            + ", ".join(f"{character!r} × {count}" for character, count in most)
        )

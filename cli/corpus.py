"""The data of a recipe or of a run, from what the command line says and the recipe names."""

import dataclasses
import os
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import typer
from torch import Tensor

import corpora
from corpora import Alphabet, text
from corpora.utf8 import read_file
from ffrec.config import ImageRecipe, Recipe, TextRecipe

EMBEDDED = ("digits", "fables")
"""Data sets that are part of the program: no folder is read for them."""
OWN = {"--images": ImageRecipe, "--text": TextRecipe, "--alphabet": TextRecipe, "--dreams": TextRecipe}
"""Options of data, and the recipes that read them."""
EXPECTED = {
    ImageRecipe: "image recipes (for example recurrent-digits)",
    TextRecipe: "character recipes (for example fables)",
}


def refuse_unread(recipe: Recipe, **given: Any) -> None:
    """Raise typer.BadParameter for an option of data that the recipe does not read.

    `given` are the options `data`, `images`, `text`, `alphabet` and `dreams`; None: not given.
    """
    options = {f"--{name}": value for name, value in given.items() if value is not None}
    for option, reads in OWN.items():
        if option in options and type(recipe) is not reads:
            raise typer.BadParameter(
                f"{option} is read by {EXPECTED[reads]}, found {recipe.name}: leave it out"
            )
    own = [option for option in ("--images", "--text") if option in options]
    if own and "--data" in options:
        raise typer.BadParameter(f"--data is not read where {own[0]} names the data: leave out one of them")
    if "--data" in options:
        refuse_folder(recipe.data)


def refuse_folder(data: str) -> None:
    """Raise typer.BadParameter if --data would be ignored."""
    if data in EMBEDDED:
        raise typer.BadParameter(
            f"--data is not read for the embedded {data}: leave it out, or give your own "
            "data by --images or --text to `ffrec train`"
        )


def with_own(recipe: Recipe, own: Path | None) -> Recipe:
    """The recipe on data of one's own, if there is any."""
    return dataclasses.replace(recipe, data=os.path.realpath(own)) if own else recipe


def load(recipe: Recipe, folder: Path | None = None, alphabet: str | Alphabet | None = None) -> Any:
    """The data that a recipe names, an image corpus or a text; raises DataError.

    `alphabet` is of texts: aesop, auto, a file with the symbols, or an alphabet.
    """
    return LOADERS[type(recipe)](recipe.data, folder, alphabet)


def load_images(name: str, folder: Path | None, _alphabet: None) -> corpora.Corpus:
    """Images by name or path."""
    return corpora.load_images(name, folder)


def load_text(name: str, folder: Path | None, alphabet: Any) -> corpora.TextCorpus:
    """A text by name or path."""
    return corpora.load_text(name, folder, alphabet)


LOADERS: dict[type[Any], Callable[[str, Path | None, Any], Any]] = {
    ImageRecipe: load_images,
    TextRecipe: load_text,
}


def cut(path: Path, alphabet: Alphabet, shortest: int) -> tuple[Tensor, Counter[str]]:
    """The strings of a text file, and how often each character outside the alphabet was left out or replaced.

    Raises DataError below `shortest` characters.
    """
    return text.cut(read_file(path), str(path), shortest, alphabet)

"""A character run as the commands that use it want it."""

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from corpora import TextCorpus
    from ffrec import Character, TextRecipe
    from ffrec.storage.run_folder import RunFolder


def load_writer(
    run: Path, data: Path | None, device: str
) -> "tuple[RunFolder, TextRecipe, TextCorpus, Character]":
    """A run folder, its recipe, its text and its trained network; raises RunError, ConfigError, DataError."""
    import corpora
    from ffrec.config import TextRecipe, recipe_from
    from ffrec.storage.files import RunError
    from ffrec.storage.run_folder import RunFolder
    from ffrec.training.runs import pick_device
    from ffrec.training.runs_text import trained_writer

    folder = RunFolder.open(run)
    recipe = recipe_from(folder.config["recipe"])
    if not isinstance(recipe, TextRecipe):
        raise RunError(f"{run} is a run on images: expected one on a text: ffrec evaluate {run}")
    if folder.config.get("symbols") != list(corpora.ALPHABET):
        raise RunError(
            f"{run} has other symbols than this version: expected {corpora.ALPHABET!r}: train again"
        )
    where = pick_device(device)
    corpus = corpora.load_text(recipe.data, data)
    return folder, recipe, corpus, trained_writer(folder, recipe, corpus, where)

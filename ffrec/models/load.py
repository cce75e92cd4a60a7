"""From a run folder, or a file, to a model."""

from pathlib import Path
from typing import Any

from ffrec.config import ImageRecipe, TextRecipe, recipe_from
from ffrec.models.image_model import ImageModel
from ffrec.models.model import Model
from ffrec.models.saved import Saved
from ffrec.models.text_model import TextModel
from ffrec.storage.files import RunError
from ffrec.training.device import pick_device

MODELS: dict[type, type[Model]] = {ImageRecipe: ImageModel, TextRecipe: TextModel}


def load(path: str | Path, device: str = "auto") -> ImageModel | TextModel:
    """The trained network of a run folder, or of a file that `save` wrote.

    Nothing that is read can run code. Raises RunError if there is nothing to load or it is damaged, and
    ConfigError for a device that this machine has not.
    """
    path, where = Path(path), pick_device(device)
    if not path.exists():
        raise RunError(
            f"{path}: expected a run folder or a file that Model.save wrote, found nothing: check the path"
        )
    saved = Saved.of_folder(path) if path.is_dir() else Saved.of_file(path)
    made: Any = MODELS[type(recipe_from(saved.config.get("recipe")))](saved, where)
    found: ImageModel | TextModel = made
    return found

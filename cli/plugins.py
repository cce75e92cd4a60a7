"""A user's own files, imported so that what they register can be named in recipes."""

from collections.abc import Sequence
from pathlib import Path

from ffrec import registry
from ffrec.storage.files import RunError
from ffrec.storage.run_folder import RunFolder


def load_plugins(files: Sequence[Path] | None) -> tuple[str, ...]:
    """Import the files in their order, and return their names; raises PluginError for one that fails."""
    if files:
        registry.load_plugins(files)
    return tuple(file.name for file in files or ())


def check_plugins(folder: RunFolder, loaded: Sequence[str]) -> None:
    """Raise RunError, naming the first, if a run was trained with plugin files that are not loaded."""
    missing = [name for name in folder.config.get("plugins", []) if name not in loaded]
    if missing:
        raise RunError(
            f"{folder.path} was trained with the plugin {missing[0]}: give --plugin, with its path"
        )

"""A user's own images: a folder with one folder per class, or an .npz file."""

from pathlib import Path

from corpora.corpus import Corpus
from corpora.own_images.folder import read_folder
from corpora.own_images.npz import read_npz
from corpora.own_images.parts import assemble

__all__ = ["load_own"]


def load_own(path: Path, seed: int = 0) -> Corpus:
    """The images of a folder or .npz file; parts that it lacks are held out, by `seed`. Raises DataError."""
    given = read_folder(path) if path.is_dir() else read_npz(path)
    return assemble(path, given, seed)

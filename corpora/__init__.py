"""Readers that turn files into tensors, with checksums and clear errors. Knows nothing of ffrec."""

from corpora.corpus import Corpus, DataError, Description, Split
from corpora.menu import DATASETS, load

__all__ = ["DATASETS", "Corpus", "DataError", "Description", "Split", "load"]

"""Readers that turn files into tensors, with checksums and clear errors. Knows nothing of ffrec."""

from corpora.alphabet import ALPHABET, decode, encode, normalise
from corpora.corpus import Corpus, DataError, Description, Split
from corpora.menu import DATASETS, load, load_text
from corpora.text import TextCorpus

__all__ = [
    "ALPHABET",
    "DATASETS",
    "Corpus",
    "DataError",
    "Description",
    "Split",
    "TextCorpus",
    "decode",
    "encode",
    "load",
    "load_text",
    "normalise",
]

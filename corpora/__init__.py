"""Readers that turn files into tensors, with checksums and clear errors. Knows nothing of ffrec."""

from corpora.alphabet import AESOP, ALPHABET, Alphabet, decode, encode, normalise
from corpora.corpus import Corpus, DataError, Description, Split
from corpora.loading import at_hand, load, load_images, load_text
from corpora.menu import DATASETS, Dataset, register, text_dataset
from corpora.text import TextCorpus

__all__ = [
    "AESOP",
    "ALPHABET",
    "DATASETS",
    "Alphabet",
    "Corpus",
    "DataError",
    "Dataset",
    "Description",
    "Split",
    "TextCorpus",
    "at_hand",
    "decode",
    "encode",
    "load",
    "load_images",
    "load_text",
    "normalise",
    "register",
    "text_dataset",
]

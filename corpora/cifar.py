"""CIFAR-10, the official binary version: a label byte, then the red, green and blue plane of each image."""

from pathlib import Path

from corpora.corpus import Corpus, DataError, Description, Split
from corpora.files import Source, read
from corpora.idx import AGAIN, unpack

SIDE, CLASSES = 32, 10
RECORD = 1 + 3 * SIDE * SIDE
VALIDATION = 5_000  # the last training images

CIFAR = Description(
    "cifar-10",
    "CIFAR-10 colour photographs",
    "Krizhevsky 2009, https://www.cs.toronto.edu/~kriz/cifar.html",
    "none given",
    (SIDE, SIDE, 3),
    (
        *("airplane", "automobile", "bird", "cat", "deer"),
        *("dog", "frog", "horse", "ship", "truck"),
    ),
)
CIFAR_FILES = Source(
    "cifar-10",
    {
        "data_batch_1.bin": "cee916563c9f80d84e3cc88e17fdc0941787f1244f00a67874d45b261883ada5",
        "data_batch_2.bin": "a591ca11fa1708a91ee40f54b3da4784ccd871ecf2137de63f51ada8b3fa57ed",
        "data_batch_3.bin": "bbe8596564c0f86427f876058170b84dac6670ddf06d79402899d93ceea26f67",
        "data_batch_4.bin": "014e562d6e23c72197cc727519169a60359f5eccd8945ad5a09d710285ff4e48",
        "data_batch_5.bin": "755304fc0b379caeae8c14f0dac912fbc7d6cd469eb67a1029a08a39453a9add",
        "test_batch.bin": "8e2eb146ae340b09e24670f29cabc6326dba54da8789dab6768acf480273f65b",
    },
    ("https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz",),
    archive="cifar-10-binary.tar.gz",
    inside="cifar-10-batches-bin",
)


def load_cifar(folder: Path | None, source: Source = CIFAR_FILES) -> Corpus:
    """Five training batches and a test batch; the validation set is the last 5,000 training images."""
    *batches, test = (parse_records(*read(source, file, folder)) for file in source.sha256)
    known = Split.concatenated(batches)
    return Corpus(known[:-VALIDATION], known[-VALIDATION:], test, CIFAR)


def parse_records(data: bytes, name: str) -> Split:
    """Records of 3,073 bytes, gzipped or not, as images `(n, 32, 32, 3)` and labels; raises DataError."""
    import torch
    from einops import rearrange

    data = unpack(data, name)
    if not data or len(data) % RECORD:
        raise DataError(
            f"{name}: expected a whole number of records of {RECORD} bytes, found {len(data)} bytes: {AGAIN}"
        )
    records = torch.frombuffer(bytearray(data), dtype=torch.uint8).view(-1, RECORD)
    labels = records[:, 0].long()
    if labels.max() >= CLASSES:
        raise DataError(f"{name}: expected labels 0 to 9, found {int(labels.max())}: {AGAIN}")
    images = rearrange(records[:, 1:], "n (c h w) -> n h w c", c=3, h=SIDE)
    return Split(images.contiguous(), labels)

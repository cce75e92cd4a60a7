"""The IDX format of MNIST: big-endian magic number and sizes, then bytes; gzipped or not."""

import gzip
import math
import struct
import zlib
from typing import TYPE_CHECKING

from corpora.corpus import DataError, Split

if TYPE_CHECKING:
    from torch import Tensor

IMAGES, LABELS = 0x0803, 0x0801  # unsigned bytes in three dimensions, and in one
SIDE, CLASSES = 28, 10
AGAIN = "fetch the file again (`ffrec data verify` compares checksums)"


def unpack(data: bytes, name: str) -> bytes:
    """The content of a file that may be gzipped, whatever its name says; raises DataError."""
    if data[:2] != b"\x1f\x8b":
        return data
    try:
        return gzip.decompress(data)
    except (OSError, EOFError, zlib.error):
        raise DataError(f"{name}: expected whole gzip data, found a damaged file: {AGAIN}") from None


def parse_idx(data: bytes, name: str, magic: int) -> "Tensor":
    """Bytes of an IDX file, gzipped or not, as a uint8 tensor: `(n, height, width)` or `(n,)`.

    Raises DataError for another magic number, a file that is too short or too long, or damaged gzip data.
    """
    import torch

    data, axes = unpack(data, name), magic & 0xFF
    start = 4 + 4 * axes
    if len(data) < start:
        raise DataError(f"{name}: expected an IDX header of {start} bytes, found {len(data)} bytes: {AGAIN}")
    found, *shape = struct.unpack(f">{1 + axes}I", data[:start])
    if found != magic:
        raise DataError(f"{name}: expected magic number {magic:#06x}, found {found:#06x}: {AGAIN}")
    if len(data) - start != math.prod(shape):
        raise DataError(
            f"{name}: expected {math.prod(shape)} bytes of data, found {len(data) - start}: {AGAIN}"
        )
    return torch.frombuffer(bytearray(data[start:]) or bytearray(1), dtype=torch.uint8)[
        : math.prod(shape)
    ].view(shape)


def parse_split(images: bytes, labels: bytes, names: tuple[str, str]) -> Split:
    """Images and labels that belong together; raises DataError if they cannot."""
    pixels, classes = parse_idx(images, names[0], IMAGES), parse_idx(labels, names[1], LABELS)
    if pixels.shape[1:] != (SIDE, SIDE):
        found = "×".join(str(size) for size in pixels.shape[1:])
        raise DataError(f"{names[0]}: expected images of {SIDE}×{SIDE} pixels, found {found}: {AGAIN}")
    if len(pixels) != len(classes):
        raise DataError(
            f"{names[0]}: expected as many images as {names[1]} has labels, {len(classes)}, "
            f"found {len(pixels)}: {AGAIN}"
        )
    if len(classes) and classes.max() >= CLASSES:
        raise DataError(f"{names[1]}: expected labels 0 to 9, found {int(classes.max())}: {AGAIN}")
    return Split(pixels, classes.long())

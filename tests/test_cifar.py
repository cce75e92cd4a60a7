"""CIFAR-10: records of three colour planes, from files, the folder of the archive, or the archive itself."""

import dataclasses
import gzip
import hashlib
import io
import os
import tarfile
from pathlib import Path

import pytest
import requests
import torch
from hypothesis import given
from hypothesis import strategies as st

import corpora
from corpora import DataError, cifar, files
from corpora.cifar import CIFAR_FILES, RECORD, load_cifar, parse_records
from corpora.files import Source


def record(label: int, red: int = 0, green: int = 0, blue: int = 0) -> bytes:
    """An image of one colour."""
    return bytes([label]) + b"".join(bytes([plane]) * 1024 for plane in (red, green, blue))


CONTENTS = {f: record(i, i) + record(9 - i, 100 + i, 0, 7) for i, f in enumerate(CIFAR_FILES.sha256)}
ARCHIVE = "cifar-10-binary.tar.gz"


@pytest.fixture(autouse=True)
def small(tmp_path, monkeypatch) -> Source:
    """A source whose six files have two images each, and a cache of its own."""
    monkeypatch.setattr(files, "cache", lambda source: tmp_path / "cache" / source.name)
    monkeypatch.setattr(cifar, "VALIDATION", 3)
    monkeypatch.setattr(files, "RETRIES", 0)
    sums = {file: hashlib.sha256(content).hexdigest() for file, content in CONTENTS.items()}
    return dataclasses.replace(CIFAR_FILES, sha256=sums)


def packed(contents: dict[str, bytes]) -> bytes:
    """The archive as it is published: in a folder, among other things."""
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w:gz") as tar:
        for name, content in {"batches.meta.txt": b"airplane\n", **contents}.items():
            member = tarfile.TarInfo(f"cifar-10-batches-bin/{name}")
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return file.getvalue()


def unpacked(folder: Path, zipped: bool = False) -> None:
    folder.mkdir(parents=True)
    for file, content in CONTENTS.items():
        (folder / (f"{file}.gz" if zipped else file)).write_bytes(
            gzip.compress(content) if zipped else content
        )


def archived(folder: Path) -> None:
    folder.mkdir(parents=True)
    (folder / ARCHIVE).write_bytes(packed(CONTENTS))


def test_planes_become_pixels():
    planes = bytes(i % 251 for i in range(3072))
    part = parse_records(bytes([7]) + planes + record(0, 1, 2, 3), "x")
    assert part.images.shape == (2, 32, 32, 3)
    assert (part.images.dtype, part.labels.dtype) == (torch.uint8, torch.int64)
    assert part.labels.tolist() == [7, 0]
    for colour, row, column in ((0, 0, 0), (1, 5, 3), (2, 31, 30)):
        assert part.images[0, row, column, colour] == planes[colour * 1024 + row * 32 + column]
    assert part.images[1, 9, 9].tolist() == [1, 2, 3]


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "whole number of records of 3073 bytes, found 0"),
        (record(1)[:-1], "found 3072"),
        (record(1) + record(10), "labels 0 to 9, found 10"),
        (gzip.compress(record(1), mtime=0)[:-9], "gzip"),
    ],
)
def test_wrong_records_are_one_line(data, words):
    with pytest.raises(DataError, match=words) as error:
        parse_records(data, "x.bin")
    assert str(error.value).startswith("x.bin: expected")


@given(st.binary(max_size=4), st.integers(0, RECORD))
def test_any_bytes_are_parsed_or_refused(head, length):
    try:
        assert len(parse_records(head + bytes(length), "x").labels) == 1
    except DataError as error:
        assert "\n" not in str(error)


@pytest.mark.parametrize("inside", ["", "cifar-10-batches-bin"])
@pytest.mark.parametrize("put", [unpacked, archived, lambda folder: unpacked(folder, zipped=True)])
def test_files_or_their_archive_are_found(put, inside, tmp_path, small):
    put(tmp_path / "data" / "cifar-10" / inside)
    corpus = load_cifar(tmp_path / "data", small)
    assert corpus.train.labels.tolist() == [0, 9, 1, 8, 2, 7, 3]
    assert corpus.validation.labels.tolist() == [6, 4, 5]
    assert corpus.test.labels.tolist() == [5, 4]
    assert corpus.validation.images[:, 3, 3].tolist() == [[103, 0, 7], [4, 0, 0], [104, 0, 7]]
    assert corpus.description.shape == (32, 32, 3)
    for file in small.sha256:
        files.check(small, file, files.locate(small, file, tmp_path / "data"))


def test_an_archive_is_unpacked_once(tmp_path, small):
    archived(tmp_path / "data" / "cifar-10")
    load_cifar(tmp_path / "data", small)
    assert set(os.listdir(tmp_path / "cache" / "cifar-10")) == set(CONTENTS)
    (tmp_path / "data" / "cifar-10" / ARCHIVE).unlink()
    load_cifar(tmp_path / "data", small)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "whole tar archive, found a damaged"),
        (b"\x1f\x8b nothing", "whole tar archive, found a damaged"),
        (packed(CONTENTS)[:300], "whole tar archive, found a damaged"),
        (packed(dict(list(CONTENTS.items())[:5])), r"an archive with test_batch\.bin, found no such file"),
        (packed(CONTENTS | {"test_batch.bin": record(1)}), "expected SHA-256"),
    ],
)
def test_a_wrong_archive_is_one_line(data, words, tmp_path, small):
    folder = tmp_path / "data" / "cifar-10"
    folder.mkdir(parents=True)
    (folder / ARCHIVE).write_bytes(data)
    with pytest.raises(DataError, match=words) as error:
        load_cifar(tmp_path / "data", small)
    assert str(error.value).startswith(str(folder / ARCHIVE))
    with pytest.raises(DataError):
        files.check(small, "test_batch.bin", folder / ARCHIVE)


def test_an_archive_that_cannot_be_unpacked_says_what_to_do(tmp_path, small):
    archived(tmp_path / "data" / "cifar-10")
    (tmp_path / "cache").write_text("a file where the folder should be")
    with pytest.raises(DataError, match=r"expected a folder to unpack .* into.*tar -xzf"):
        load_cifar(tmp_path / "data", small)


def serve(monkeypatch, answer: bytes | Exception) -> list[str]:
    import pooch

    asked: list[str] = []

    def get(self, url, output_file, pup, *args, **kwargs):
        asked.append(url)
        if isinstance(answer, Exception):
            raise answer
        Path(output_file).write_bytes(answer)

    monkeypatch.setattr(pooch.HTTPDownloader, "__call__", get)
    return asked


def test_the_archive_is_downloaded_once_and_unpacked(tmp_path, small, monkeypatch):
    asked = serve(monkeypatch, packed(CONTENTS))
    assert load_cifar(None, small).test.labels.tolist() == [5, 4]
    assert asked == ["https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz"]
    assert set(os.listdir(tmp_path / "cache" / "cifar-10")) == set(CONTENTS)


@pytest.mark.parametrize("answer", [requests.ConnectionError("no"), b"<html>", packed({"x": b"y"})])
def test_a_folder_without_the_files_gives_the_ordinary_error(answer, tmp_path, small, monkeypatch):
    serve(monkeypatch, answer)
    (tmp_path / "data" / "cifar-10").mkdir(parents=True)
    (tmp_path / "data" / "cifar-10" / "data_batch_1.rans").write_bytes(b"another form")
    with pytest.raises(
        DataError, match=r"expected cifar-10-binary\.tar\.gz in a data folder or from a mirror"
    ):
        load_cifar(tmp_path / "data", small)
    assert os.listdir(tmp_path / "cache" / "cifar-10") == []


def test_the_official_files_are_what_they_should_be(monkeypatch):
    monkeypatch.undo()
    folder = Path(os.environ.get("FFREC_DATA", "no folder"))
    if not (folder / "cifar-10").is_dir() or not files.locate(CIFAR_FILES, "test_batch.bin", folder):
        pytest.skip("FFREC_DATA has no official files of cifar-10")
    corpus = corpora.load_images("cifar-10", folder)
    assert [len(p.labels) for p in (corpus.train, corpus.validation, corpus.test)] == [45_000, 5_000, 10_000]
    joined = corpus.joined().train
    assert joined.labels.bincount().tolist() == [5_000] * 10
    means = joined.images.float().mean((0, 1, 2)) / 255
    assert means.tolist() == pytest.approx([0.4914, 0.4822, 0.4465], abs=1e-4)  # as is well known

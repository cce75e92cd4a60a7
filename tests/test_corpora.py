"""Data: parsed exactly or refused in one line, split once and for all, downloaded whole or not at all."""

import gzip
import hashlib
import os
import struct
import time
from pathlib import Path

import pytest
import requests
import torch
from hypothesis import given
from hypothesis import strategies as st

import corpora
from corpora import DataError, files, menu
from corpora.files import Source
from corpora.idx import IMAGES, LABELS, parse_idx, parse_split


def idx_images(pixels: bytes, count: int, side: int = 28) -> bytes:
    return struct.pack(">4I", 0x0803, count, side, side) + pixels


def idx_labels(labels: list[int]) -> bytes:
    return struct.pack(">2I", 0x0801, len(labels)) + bytes(labels)


PIXELS = bytes(range(256)) * 6 + bytes(32)  # two images of 28 × 28
WHOLE = idx_images(PIXELS, 2)


@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_idx_is_read_gzipped_or_not(pack):
    images = parse_idx(pack(WHOLE), "images", IMAGES)
    assert images.shape == (2, 28, 28)
    assert bytes(images.flatten().tolist()) == PIXELS
    assert parse_idx(pack(idx_labels([3, 1])), "labels", LABELS).tolist() == [3, 1]


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "header of 16 bytes, found 0"),
        (WHOLE[:9], "header of 16 bytes, found 9"),
        (b"\0\0\x08\x01" + WHOLE[4:], "magic number 0x0803, found 0x0801"),
        (WHOLE[:-1], "1568 bytes of data, found 1567"),
        (WHOLE + b"!", "1568 bytes of data, found 1569"),
        (gzip.compress(WHOLE)[:-20], "gzip"),
        (b"\x1f\x8bnot gzip at all", "gzip"),
        (b"PK\x03\x04 not gzip either, 16", "magic number"),
    ],
)
def test_a_wrong_file_is_one_clear_line(data, words):
    with pytest.raises(DataError, match=words) as error:
        parse_idx(data, "images.gz", IMAGES)
    assert str(error.value).startswith("images.gz: expected")
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("images", "labels", "words"),
    [
        (WHOLE, idx_labels([1, 2, 3]), "as many images .* 3, found 2"),
        (WHOLE, idx_labels([1, 10]), "labels 0 to 9, found 10"),
        (idx_images(bytes(200), 2, side=10), idx_labels([1, 2]), "28×28 pixels, found 10×10"),
    ],
)
def test_images_and_labels_must_fit(images, labels, words):
    with pytest.raises(DataError, match=words):
        parse_split(images, labels, ("images", "labels"))


@given(st.binary(max_size=200))
def test_any_bytes_are_parsed_or_refused(data):
    try:
        assert parse_idx(data, "x", LABELS).numel() == len(data) - 8
    except DataError as error:
        assert "\n" not in str(error)


@given(st.integers(0, len(WHOLE) - 1), st.integers(0, 255), st.booleans(), st.integers(0, 40))
def test_a_damaged_file_is_parsed_to_its_shape_or_refused(place, byte, zipped, lost):
    data = bytearray(gzip.compress(WHOLE) if zipped else WHOLE)
    data[place % len(data)] = byte
    try:
        images = parse_idx(bytes(data[: len(data) - lost]), "x", IMAGES)
        assert images.numel() == len(PIXELS)
    except DataError:
        pass


def test_digits_are_split_once_and_for_all():
    first, second = corpora.load("digits"), corpora.load("digits")
    sizes = [len(part.labels) for part in (first.train, first.validation, first.test)]
    assert sizes == [1200, 237, 360]
    assert torch.equal(first.test.images, second.test.images)
    assert first.train.images.dtype == torch.uint8
    assert first.train.labels.dtype == torch.int64
    for part in (first.train, first.validation, first.test):
        share = part.labels.bincount(minlength=10) / len(part.labels)
        assert (share - 0.1).abs().max() < 0.01  # stratified: every class a tenth


def test_digits_of_the_three_parts_are_all_of_them():
    from sklearn.datasets import load_digits

    corpus = corpora.load("digits")
    parts = torch.cat([part.images for part in (corpus.train, corpus.validation, corpus.test)])
    everything = torch.from_numpy(load_digits().images).to(torch.uint8)
    assert sorted(map(bytes, parts.flatten(1).numpy())) == sorted(map(bytes, everything.flatten(1).numpy()))


def small_mnist(folder: Path) -> Path:
    """A folder with six training and two test images that are their own serial numbers."""
    place = folder / "mnist"
    place.mkdir(parents=True)
    for prefix, count in (("train", 6), ("t10k", 2)):
        pixels = b"".join(bytes([serial]) * 784 for serial in range(count))
        (place / f"{prefix}-images-idx3-ubyte").write_bytes(idx_images(pixels, count))
        (place / f"{prefix}-labels-idx1-ubyte.gz").write_bytes(gzip.compress(idx_labels(list(range(count)))))
    return folder


@pytest.fixture(autouse=True)
def empty_cache(tmp_path, monkeypatch):
    monkeypatch.setattr(files, "cache", lambda source: tmp_path / "cache" / source.name)


def test_validation_is_the_last_training_images(tmp_path, monkeypatch):
    monkeypatch.setattr(menu, "VALIDATION", 2)
    corpus = corpora.load("mnist", small_mnist(tmp_path / "data"))
    assert corpus.train.labels.tolist() == [0, 1, 2, 3]
    assert corpus.validation.labels.tolist() == [4, 5]
    assert corpus.validation.images[:, 0, 0].tolist() == [4, 5]
    assert corpus.test.labels.tolist() == [0, 1]


def test_too_few_training_images_are_refused(tmp_path):
    with pytest.raises(DataError, match="more than 10000 training images, found 6"):
        corpora.load("mnist", small_mnist(tmp_path / "data"))


def test_the_cache_serves_what_the_folder_lacks(tmp_path, monkeypatch):
    monkeypatch.setattr(menu, "VALIDATION", 2)
    small_mnist(tmp_path / "cache")
    (tmp_path / "data").mkdir()
    assert len(corpora.load("mnist", tmp_path / "data").train.labels) == 4


def test_a_data_folder_that_is_not_there_is_named(tmp_path):
    with pytest.raises(DataError, match=r"--data: expected a folder.*elsewhere"):
        corpora.load("mnist", tmp_path / "elsewhere")


def test_an_unknown_data_set_names_the_nearest():
    with pytest.raises(DataError, match="did you mean fashion-mnist"):
        corpora.load("fashon-mnist")


CONTENT = idx_labels([1, 2, 3])


@pytest.fixture
def source() -> Source:

    return Source(
        "toy",
        {"labels": hashlib.sha256(CONTENT).hexdigest()},
        ("https://one.invalid/{file}.gz", "https://two.invalid/{file}.gz"),
    )


def serve(monkeypatch, answers: dict[str, bytes | BaseException]) -> list[str]:
    """Let pooch's downloader get these answers by URL; returns the URLs that are asked for."""
    import pooch

    asked: list[str] = []
    monkeypatch.setattr(files, "RETRIES", 0)

    def get(self, url, output_file, pup, *args, **kwargs):
        asked.append(url)
        answer = answers[url]
        if isinstance(answer, BaseException):
            Path(output_file).write_bytes(b"half of it")
            raise answer
        Path(output_file).write_bytes(answer)

    monkeypatch.setattr(pooch.HTTPDownloader, "__call__", get)
    return asked


ONE, TWO = "https://one.invalid/labels.gz", "https://two.invalid/labels.gz"


@pytest.mark.parametrize(
    "first", [requests.ConnectionError("no"), gzip.compress(b"something else"), b"<html>"]
)
def test_the_second_mirror_serves_when_the_first_does_not(source, monkeypatch, first, tmp_path):
    asked = serve(monkeypatch, {ONE: first, TWO: gzip.compress(CONTENT)})
    path = files.find(source, "labels", None)
    assert asked == [ONE, TWO]
    assert gzip.decompress(path.read_bytes()) == CONTENT
    assert files.find(source, "labels", None) == path  # the cache has it now
    assert asked == [ONE, TWO]
    assert os.listdir(tmp_path / "cache" / "toy") == [path.name]


def test_a_mirror_that_stumbles_is_asked_again(source, monkeypatch):
    asked = serve(monkeypatch, {ONE: requests.ConnectionError("no"), TWO: gzip.compress(CONTENT)})
    monkeypatch.setattr(files, "RETRIES", 2)
    monkeypatch.setattr(time, "sleep", lambda _seconds: None)
    files.find(source, "labels", None)
    assert asked == [ONE, ONE, ONE, TWO]


def test_nothing_wrong_or_half_written_stays(source, monkeypatch, tmp_path):
    serve(monkeypatch, {ONE: requests.ConnectionError("no"), TWO: gzip.compress(b"something else")})
    with pytest.raises(DataError, match=r"one\.invalid.*two\.invalid.*wrong content.*--data FOLDER") as error:
        files.find(source, "labels", None)
    assert "\n" not in str(error.value)
    assert os.listdir(tmp_path / "cache" / "toy") == []


def test_a_download_that_is_killed_leaves_no_file_of_that_name(source, monkeypatch):
    serve(monkeypatch, {ONE: KeyboardInterrupt()})
    with pytest.raises(KeyboardInterrupt):
        files.find(source, "labels", None)
    assert files.locate(source, "labels", None) is None


def test_check_compares_the_uncompressed_content(source, tmp_path):
    (tmp_path / "a.gz").write_bytes(gzip.compress(CONTENT, 1))
    (tmp_path / "b").write_bytes(CONTENT)
    files.check(source, "labels", tmp_path / "a.gz")
    files.check(source, "labels", tmp_path / "b")
    (tmp_path / "b").write_bytes(CONTENT[:-1] + b"!")
    with pytest.raises(DataError, match="SHA-256"):
        files.check(source, "labels", tmp_path / "b")


def test_joined_training_and_validation_images_are_all_but_the_test_set():
    corpus = corpora.load("digits")
    joined = corpus.joined()
    assert (len(joined.train.images), joined.validation) == (1200 + 237, None)
    for part, place in ((corpus.train, slice(1200)), (corpus.validation, slice(1200, None))):
        assert torch.equal(joined.train.images[place], part.images)
        assert torch.equal(joined.train.labels[place], part.labels)
    assert joined.test is corpus.test
    assert joined.joined() is joined


@pytest.mark.parametrize("name", ["mnist", "fashion-mnist"])
def test_the_official_files_are_what_they_should_be(name):
    folder = Path(os.environ.get("FFREC_DATA", "no folder"))
    if not (folder / name).is_dir():
        pytest.skip(f"FFREC_DATA has no {name}")
    source = menu.DATASETS[name].source
    for file in source.sha256:
        files.check(source, file, files.locate(source, file, folder))
    corpus = corpora.load(name, folder)
    assert [len(p.labels) for p in (corpus.train, corpus.validation, corpus.test)] == [50_000, 10_000, 10_000]
    assert len(corpus.description.classes) == corpus.train.labels.max() + 1 == 10

"""Data: parsed exactly or refused in one line, split once and for all, downloaded whole or not at all."""

import dataclasses
import gzip
import hashlib
import os
import struct
import time
from pathlib import Path

import pytest
import requests
import torch
from hypothesis import example, given
from hypothesis import strategies as st

import corpora
from corpora import Corpus, DataError, Description, Split, TextCorpus, files, menu, mnist
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
        (gzip.compress(WHOLE, mtime=0)[:-20], "gzip"),
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


def small_mnist(folder: Path) -> Source:
    """A folder with six training and two test images that are their own serial numbers, and its checksums."""
    place, sums = folder / "mnist", {}
    place.mkdir(parents=True)
    for prefix, count in (("train", 6), ("t10k", 2)):
        pixels = b"".join(bytes([serial]) * 784 for serial in range(count))
        images, labels = f"{prefix}-images-idx3-ubyte", f"{prefix}-labels-idx1-ubyte"
        contents = {images: idx_images(pixels, count), labels: idx_labels(list(range(count)))}
        (place / images).write_bytes(contents[images])
        (place / f"{labels}.gz").write_bytes(gzip.compress(contents[labels]))
        sums |= {file: hashlib.sha256(content).hexdigest() for file, content in contents.items()}
    return dataclasses.replace(mnist.MNIST_FILES, sha256=sums)


@pytest.fixture(autouse=True)
def empty_cache(tmp_path, monkeypatch):
    monkeypatch.setattr(files, "cache", lambda source: tmp_path / "cache" / source.name)
    monkeypatch.delenv("FFREC_DATA", raising=False)


def load_small(folder: Path, source: Source) -> Corpus:
    return mnist.load_idx(mnist.MNIST, source, folder)


def test_validation_is_the_last_training_images(tmp_path, monkeypatch):
    monkeypatch.setattr(mnist, "VALIDATION", 2)
    corpus = load_small(tmp_path / "data", small_mnist(tmp_path / "data"))
    assert corpus.train.labels.tolist() == [0, 1, 2, 3]
    assert corpus.validation.labels.tolist() == [4, 5]
    assert corpus.validation.images[:, 0, 0].tolist() == [4, 5]
    assert corpus.test.labels.tolist() == [0, 1]
    assert corpus.note == ""


def test_too_few_training_images_are_refused(tmp_path):
    with pytest.raises(DataError, match="more than 10000 training images, found 6"):
        load_small(tmp_path / "data", small_mnist(tmp_path / "data"))


def test_the_cache_serves_what_the_folder_lacks(tmp_path, monkeypatch):
    monkeypatch.setattr(mnist, "VALIDATION", 2)
    source = small_mnist(tmp_path / "cache")
    (tmp_path / "data").mkdir()
    assert len(load_small(tmp_path / "data", source).train.labels) == 4


def test_files_that_are_not_the_official_ones_are_refused(tmp_path):
    small_mnist(tmp_path)
    with pytest.raises(DataError, match=r"train-images-idx3-ubyte: expected SHA-256 ba89.*remove the file"):
        corpora.load("mnist", tmp_path)


def test_a_file_is_compared_each_time_it_is_read(tmp_path, monkeypatch):
    monkeypatch.setattr(mnist, "VALIDATION", 2)
    source = small_mnist(tmp_path)
    load_small(tmp_path, source)
    changed = tmp_path / "mnist" / "train-images-idx3-ubyte"
    state = changed.stat()
    changed.write_bytes(changed.read_bytes()[:-1] + b"!")  # of the same size, and of the same time
    os.utime(changed, ns=(state.st_atime_ns, state.st_mtime_ns))
    with pytest.raises(DataError, match="train-images-idx3-ubyte: expected SHA-256"):
        load_small(tmp_path, source)


def test_another_expectation_is_not_met(tmp_path, source):
    (tmp_path / "toy").mkdir()
    path = tmp_path / "toy" / "labels"
    path.write_bytes(CONTENT)
    assert files.read(source, "labels", tmp_path) == (CONTENT, str(path))
    other = dataclasses.replace(source, sha256={"labels": "0" * 64})
    with pytest.raises(DataError, match="expected SHA-256 0000"):
        files.read(other, "labels", tmp_path)


def test_a_data_folder_that_is_not_there_is_named(tmp_path):
    with pytest.raises(DataError, match=r"--data: expected a folder.*elsewhere"):
        corpora.load("mnist", tmp_path / "elsewhere")


def test_an_unknown_data_set_names_the_nearest():
    with pytest.raises(DataError, match="did you mean fashion-mnist"):
        corpora.load("fashon-mnist")


@pytest.mark.parametrize("path", ["~nobody/at/all", "./mnist", "a/b.npz", Path("digits")])
def test_a_path_where_nothing_lies_is_named(path, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(
        DataError, match=r"expected a folder or .npz file of images, or a text file, found nothing"
    ):
        corpora.load(path)


@given(st.text(max_size=300))
@example("~\0")
def test_any_name_is_a_data_set_or_refused(name):
    if name not in corpora.DATASETS and not os.path.exists(name):
        with pytest.raises(DataError):
            corpora.load(name)


def test_ffrec_data_names_the_folder_unless_one_is_given(tmp_path, monkeypatch):
    monkeypatch.setenv("FFREC_DATA", str(tmp_path / "here"))
    small_mnist(tmp_path / "here")
    (tmp_path / "there").mkdir()
    with pytest.raises(DataError, match=r"here.mnist.train-images-idx3-ubyte: expected SHA-256"):
        corpora.load("mnist")
    assert files.data_folder(tmp_path / "there") == tmp_path / "there"
    monkeypatch.setenv("FFREC_DATA", "")
    assert files.data_folder(None) is None


def test_each_kind_is_refused_where_the_other_is_wanted(tmp_path):
    text = tmp_path / "x.txt"
    text.write_text("text")
    for name in ("fables", str(text), text):
        with pytest.raises(DataError, match="expected images, found a text: choose digits, mnist"):
            corpora.load_images(name)
    for name in ("mnist", str(tmp_path), tmp_path):
        with pytest.raises(DataError, match="expected a text, found images: choose aesop, fables"):
            corpora.load_text(name)


TOY = Description("toy", "two dots", "nowhere", "MIT", (1, 1), ("no", "yes"))


def dots() -> Corpus:
    part = Split(torch.tensor([[[0]], [[9]]], dtype=torch.uint8), torch.tensor([0, 1]))
    return Corpus(part, None, part, TOY)


@pytest.fixture
def open_menu():
    """A menu that is as before afterwards."""
    before = dict(menu.DATASETS)
    yield
    menu.DATASETS.clear()
    menu.DATASETS.update(before)


def test_a_registered_data_set_is_on_the_menu(tmp_path, open_menu):
    asked: list[Path | None] = []
    corpora.register("dots", lambda folder: asked.append(folder) or dots(), TOY)
    assert corpora.load_images("dots", tmp_path).test.labels.tolist() == [0, 1]
    assert asked == [tmp_path]
    with pytest.raises(DataError, match="found images: choose aesop, fables, shakespeare or"):
        corpora.load_text("dots")
    with pytest.raises(DataError, match="did you mean dots"):
        corpora.load("dotts")


def test_a_registered_text_is_read_in_the_alphabet_that_is_chosen(open_menu):
    about = dataclasses.replace(TOY, name="poem", shape=(100,))
    text = "".join(map(chr, range(48, 1248)))
    corpora.register("poem", corpora.text_dataset(about, lambda folder: text * 2, alphabet="auto"))
    assert len(corpora.load_text("poem").alphabet) > 1000
    corpora.register("own", lambda folder: corpora.load_text("poem"), about)
    assert isinstance(corpora.load("own"), TextCorpus)
    with pytest.raises(DataError, match="this text comes in its own, found aesop"):
        corpora.load_text("own", alphabet="aesop")


@pytest.mark.parametrize("name", ["digits", "", "a/b"])
def test_a_name_that_is_taken_or_a_path_is_not_registered(name):
    with pytest.raises(DataError, match="expected a new name without slashes"):
        corpora.register(name, lambda folder: dots(), TOY)
    with pytest.raises(DataError, match="expected a Description"):
        corpora.register("dots", lambda folder: dots())


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
    "first", [requests.ConnectionError("no"), gzip.compress(b"something else", mtime=0), b"<html>"]
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
    assert joined.sha256 == corpus.sha256


def test_the_checksum_of_a_corpus_is_of_pixels_labels_parts_and_names():
    def corpus(pixels=range(6), labels=(0, 1, 0), at=(1, 2), classes=("a", "b"), shape=(1, 2)) -> Corpus:
        images = torch.tensor(list(pixels), dtype=torch.uint8).view(3, *shape)
        known = Split(images, torch.tensor(labels))
        parts = known[: at[0]], known[at[0] : at[1]], known[at[1] :]
        return Corpus(*parts, dataclasses.replace(TOY, classes=classes))

    different = [
        corpus(),
        corpus(pixels=[0, 1, 2, 3, 4, 6]),
        corpus(labels=(0, 1, 1)),
        corpus(at=(1, 1)),
        corpus(classes=("a", "c")),
        corpus(shape=(2, 1)),
    ]
    assert len({one.sha256 for one in different}) == len(different)
    for one in different:
        assert one.joined().sha256 == one.sha256 == dataclasses.replace(one, note="made").sha256
        assert len(one.sha256) == 64


DATA = Path(os.environ.get("FFREC_DATA", "no folder"))


@pytest.mark.parametrize("name", ["mnist", "fashion-mnist"])
def test_the_official_files_are_what_they_should_be(name):
    if not (DATA / name).is_dir():
        pytest.skip(f"FFREC_DATA has no {name}")
    corpus = corpora.load_images(name, DATA)
    assert [len(p.labels) for p in (corpus.train, corpus.validation, corpus.test)] == [50_000, 10_000, 10_000]
    assert len(corpus.description.classes) == corpus.train.labels.max() + 1 == 10
    for file in menu.named(name).source.sha256:
        files.check(menu.named(name).source, file, files.locate(menu.named(name).source, file, DATA))

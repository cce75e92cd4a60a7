"""Any bytes in any data file: one line and exit code 2; changed data is found out."""

import dataclasses
import gzip
import json
import os
import struct

import numpy as np
import pytest
from commands import assert_refused, ffrec
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import corpora
from corpora import Alphabet, DataError
from corpora.cifar import CIFAR_FILES, parse_records
from corpora.idx import IMAGES, parse_idx, parse_split
from corpora.mnist import MNIST_FILES
from corpora.own_images.npz import read_npz
from corpora.text import cut
from corpora.utf8 import read_file, read_text
from ffrec.config import ConfigError
from ffrec.recipes import recipe
from ffrec.tasks.kinds import new_task

TRAIN = ["--set", "hidden=[20,20]", "--set", "epochs=1", "--out", "run"]
ANY = {
    "idx": lambda data, path: parse_split(data, data, ("images", "labels")),
    "cifar": lambda data, path: parse_records(data, "batch"),
    "text": lambda data, path: cut(read_text(data, "text"), "text", 1),
    "alphabet": lambda data, path: Alphabet.from_file(path),
    "npz": lambda data, path: read_npz(path),
    "text file": lambda data, path: read_file(path),
}
HEADER = struct.pack(">4I", IMAGES, 2, 28, 28)
beginnings = st.sampled_from(
    [b"", b"\x1f\x8b", HEADER, gzip.compress(HEADER), b"PK\x03\x04", b"\xef\xbb\xbf"]
)


def read_any(kind: str, data: bytes, folder) -> None:
    """Read bytes as a kind of data: a tensor or a DataError of one line comes of it, nothing else."""
    path = folder / "file.npz"
    path.write_bytes(data)
    try:
        ANY[kind](data, path)
    except DataError as error:
        assert str(error)
        assert "\n" not in str(error)


def damaged(whole: bytes, cuts: list[tuple[int, int]]) -> bytes:
    """A good file with some bytes changed."""
    data = bytearray(whole)
    for place, byte in cuts:
        data[place % len(data)] = byte
    return bytes(data)


cases = st.tuples(st.sampled_from(sorted(ANY)), beginnings, st.binary(max_size=300))
changes = st.lists(st.tuples(st.integers(0, 5000), st.integers(0, 255)), min_size=1, max_size=8)
relaxed = [HealthCheck.function_scoped_fixture, HealthCheck.too_slow]


@settings(max_examples=150, deadline=None, suppress_health_check=relaxed)
@given(cases)
def test_any_bytes_are_data_or_one_error(tmp_path, case):
    kind, start, rest = case
    read_any(kind, start + rest, tmp_path)


@pytest.mark.faults
@settings(max_examples=10_000, deadline=None, suppress_health_check=relaxed)
@given(cases)
def test_ten_thousand_files_are_data_or_one_error(tmp_path, case):
    kind, start, rest = case
    read_any(kind, start + rest, tmp_path)


def small_npz(path) -> bytes:
    images, labels = np.zeros((40, 4, 4), np.uint8), np.arange(40) % 2
    images[labels == 1] = 200
    images[:, 0, 0] = np.arange(40)
    np.savez(path, x=images, y=labels)
    return path.read_bytes()


@settings(max_examples=100, deadline=None, suppress_health_check=relaxed)
@given(changes)
def test_a_damaged_npz_is_data_or_one_error(tmp_path, cuts):
    read_any("npz", damaged(small_npz(tmp_path / "good.npz"), cuts), tmp_path)


@pytest.mark.faults
@settings(max_examples=2_000, deadline=None, suppress_health_check=relaxed)
@given(changes)
def test_two_thousand_damaged_npz_are_data_or_one_error(tmp_path, cuts):
    read_any("npz", damaged(small_npz(tmp_path / "good.npz"), cuts), tmp_path)


def test_a_header_that_promises_more_than_memory_is_refused():
    with pytest.raises(DataError, match=f"expected {(2**32 - 1) ** 3} bytes of data, found 0"):
        parse_idx(struct.pack(">4I", IMAGES, *[2**32 - 1] * 3), "huge", IMAGES)


def test_own_images_that_change_are_found_out(tmp_path):
    small_npz(tmp_path / "own.npz")
    arguments = ["train", "recurrent-digits", "--images", "own.npz", *TRAIN]
    assert ffrec(*arguments, cwd=tmp_path).returncode == 0
    with np.load(tmp_path / "own.npz") as held:
        images, labels = held["x"], held["y"]
    labels[0] = 1 - labels[0]
    state = os.stat(tmp_path / "own.npz")
    np.savez(tmp_path / "own.npz", x=images, y=labels)
    os.utime(tmp_path / "own.npz", ns=(state.st_atime_ns, state.st_mtime_ns))
    assert_refused(ffrec(*arguments, "--resume", cwd=tmp_path), "is not what run was trained on", "SHA-256")
    assert_refused(ffrec("evaluate", "run", cwd=tmp_path), "is not what run was trained on", "SHA-256")


@pytest.fixture
def three_runs(tmp_path):
    """Two runs on images of one's own, and one on embedded digits."""
    small_npz(tmp_path / "own.npz")
    for seed in ("0", "1"):
        arguments = ["recurrent-digits", "--images", "own.npz", *TRAIN[:-1], f"runs/own-{seed}"]
        assert ffrec("train", *arguments, "--seed", seed, cwd=tmp_path).returncode == 0
    assert ffrec("train", "recurrent-digits", *TRAIN[:-1], "runs/digits", cwd=tmp_path).returncode == 0
    return tmp_path


def reported(folder) -> list[str]:
    done = ffrec("report", "runs", "--results", cwd=folder)
    assert done.returncode == 0
    assert "digits" in done.stdout
    return done.stderr.splitlines()


def test_a_report_names_every_run_on_other_data_than_is_there(three_runs, monkeypatch):
    assert reported(three_runs) == []
    config = three_runs / "runs/own-1/config.json"
    held = json.loads(config.read_text())
    config.write_text(json.dumps(held | {"data_sha256": "another"}))
    read, real = [], corpora.load_images
    monkeypatch.setattr(corpora, "load_images", lambda name: read.append(name) or real(name))
    (line,) = reported(three_runs)
    assert line.startswith("ffrec: warning: runs/own-1: ")
    assert "own.npz is not what runs/own-1 was trained on: expected SHA-256 another" in line
    assert len(read) == 2  # each data set once


def test_a_report_says_nothing_of_data_that_is_gone_and_one_line_a_run_of_data_that_is_damaged(three_runs):
    (three_runs / "own.npz").write_bytes(b"damaged")
    lines = reported(three_runs)
    assert [line.split(": ")[2] for line in lines] == ["runs/own-0", "runs/own-1"]
    assert all("own.npz: expected an .npz file" in line for line in lines)
    (three_runs / "own.npz").unlink()
    assert reported(three_runs) == []


def test_data_is_there_only_if_it_need_not_be_fetched_or_unpacked(tmp_path, monkeypatch):
    monkeypatch.setattr(corpora.files, "cache", lambda source: tmp_path / "cache" / source.name)
    assert corpora.at_hand("digits")
    assert not corpora.at_hand("mnist", tmp_path)
    assert not corpora.at_hand("nowhere", tmp_path)
    assert not corpora.at_hand("mnist", tmp_path / "nowhere")
    (tmp_path / "cifar-10").mkdir()
    (tmp_path / "cifar-10" / CIFAR_FILES.archive).touch()
    assert not corpora.at_hand("cifar-10", tmp_path)
    (tmp_path / "mnist").mkdir()
    for file in MNIST_FILES.sha256:
        (tmp_path / "mnist" / file).touch()
    assert corpora.at_hand("mnist", tmp_path)


def test_a_text_that_changes_is_found_out(tmp_path):
    text = " ".join(f"the fox number {i} met the crow number {i * i}, and it spoke." for i in range(300))
    (tmp_path / "own.txt").write_text(text)
    quick = ["--set", "passes=1", "--set", "hidden=[20]", "--set", "epochs=1", "--out", "run"]
    arguments = ["train", "aesop-random-small", "--text", "own.txt", *quick]
    assert ffrec(*arguments, cwd=tmp_path).returncode == 0
    (tmp_path / "own.txt").write_text(text.replace("crow", "wolf", 1))
    assert_refused(ffrec(*arguments, "--resume", cwd=tmp_path), "is not what run was trained on")


@pytest.mark.parametrize("part", ["train", "validation", "test"])
@pytest.mark.parametrize("name", ["recurrent-digits", "fables"])
def test_empty_parts_are_refused_before_training(name, part):
    corpus = corpora.load("digits" if name == "recurrent-digits" else "fables")
    empty = dataclasses.replace(corpus, **{part: getattr(corpus, part)[:0]})
    with pytest.raises(ConfigError, match=f"expected {part}(ing)? cases, found none"):
        new_task(recipe(name).override({"hidden": [9, 9]}), empty)


@pytest.mark.skipif("FFREC_DATA" not in os.environ, reason="needs FFREC_DATA")
def test_a_changed_label_of_a_known_set_is_found_out(tmp_path):
    there = corpora.files.locate(
        corpora.mnist.MNIST_FILES, "train-labels-idx1-ubyte", corpora.files.data_folder(None)
    )
    for file in there.parent.iterdir():
        (tmp_path / "mnist").mkdir(exist_ok=True)
        (tmp_path / "mnist" / file.name).symlink_to(file)
    content = bytearray(gzip.decompress(there.read_bytes()))
    content[100] = (content[100] + 1) % 10
    (tmp_path / "mnist" / there.name).unlink()
    (tmp_path / "mnist" / there.name).write_bytes(gzip.compress(bytes(content)))
    with pytest.raises(DataError, match=r"train-labels-idx1-ubyte\.gz: expected SHA-256"):
        corpora.load_images("mnist", tmp_path)

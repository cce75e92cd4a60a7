"""A user's own images: read exactly, split by class, and anything wrong is one line that names the file."""

import io
import itertools
import os
import tempfile
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

import corpora
from corpora import Corpus, DataError, load_images
from corpora.own_images.holdout import hold_out, quotas
from corpora.own_images.parts import natural


def save(path: Path, pixels, mode: str | None = None, **options) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    image = pixels if isinstance(pixels, Image.Image) else Image.fromarray(np.asarray(pixels))
    (image.convert(mode) if mode else image).save(path, **options)
    return path


def serial(number: int, side: int = 4) -> np.ndarray:
    """A grey image that is its own number."""
    return np.full((side, side), number, np.uint8)


def fill(root: Path, counts: dict[str, int], start: int = 0) -> Path:
    """A folder with so many images in each class; all images differ."""
    for name, count in counts.items():
        for i in range(count):
            save(root / name / f"{i}.png", serial(start + i))
        start += count
    return root


def parts(corpus: Corpus) -> dict[str, corpora.Split]:
    return {"train": corpus.train, "validation": corpus.validation, "test": corpus.test}


def seen(corpus: Corpus) -> dict[str, list[int]]:
    """The numbers of the images of each part, sorted."""
    return {name: sorted(part.images[:, 0, 0].tolist()) for name, part in parts(corpus).items()}


def refused(path: Path, words: str, **options) -> None:
    with pytest.raises(DataError, match=words) as error:
        load_images(path, **options)
    message = str(error.value)
    assert "\n" not in message
    assert "expected" in message
    assert "found" in message


def test_a_folder_per_class_is_split_and_says_so(tmp_path):
    corpus = load_images(fill(tmp_path, {"10": 30, "2": 30, "sheep": 40}))
    assert corpus.description.classes == ("2", "10", "sheep")
    assert corpus.description.shape == (4, 4)
    assert corpus.note == (
        "no test images were given: 20 of 100 were held out, stratified, seed 0; "
        "no validation images were given: 8 of 80 were held out, stratified, seed 0"
    )
    numbers = seen(corpus)
    assert sorted(itertools.chain(*numbers.values())) == list(range(100))
    assert [len(part.labels) for part in parts(corpus).values()] == [72, 8, 20]
    assert corpus.test.labels.bincount().tolist() == [6, 6, 8]
    for part in parts(corpus).values():
        assert (part.images.dtype, part.labels.dtype) == (torch.uint8, torch.int64)
        truth = [0 if 30 <= n < 60 else 1 if n < 30 else 2 for n in part.images[:, 0, 0].tolist()]
        assert part.labels.tolist() == truth


def test_the_split_is_the_seeds(tmp_path):
    fill(tmp_path, {"a": 30, "b": 30})
    one, again, other = (
        load_images(tmp_path),
        load_images(str(tmp_path), seed=0),
        load_images(tmp_path, seed=1),
    )
    assert one.sha256 == again.sha256 != other.sha256
    assert seen(one)["test"] != seen(other)["test"]
    assert "seed 1" in other.note
    assert one.joined().sha256 == one.sha256


@pytest.mark.parametrize("name", ["val", "validation", "Val"])
def test_parts_that_are_given_are_kept(name, tmp_path):
    fill(tmp_path / "train", {"a": 3, "b": 1})
    fill(tmp_path / name, {"a": 1, "b": 2}, 10)
    fill(tmp_path / "test", {"b": 2}, 20)
    corpus = load_images(tmp_path)
    assert seen(corpus) == {"train": [0, 1, 2, 3], "validation": [10, 11, 12], "test": [20, 21]}
    assert corpus.note == ""
    assert corpus.test.labels.tolist() == [1, 1]


def test_only_what_is_missing_is_held_out(tmp_path):
    fill(tmp_path / "train", {"a": 20, "b": 20})
    fill(tmp_path / "test", {"a": 1, "b": 1}, 100)
    corpus = load_images(tmp_path)
    assert seen(corpus)["test"] == [100, 101]
    assert corpus.note == "no validation images were given: 4 of 40 were held out, stratified, seed 0"
    assert corpus.validation.labels.bincount().tolist() == [2, 2]


def test_the_first_images_of_a_part_are_of_all_classes(tmp_path):
    corpus = load_images(fill(tmp_path, {"a": 60, "b": 60}))
    for part in parts(corpus).values():
        assert len(set(part.labels[:10].tolist())) == 2


def test_train_can_be_a_class(tmp_path):
    assert load_images(fill(tmp_path, {"train": 3, "plane": 3})).description.classes == ("plane", "train")


def test_hidden_files_are_left_out(tmp_path):
    fill(tmp_path, {"a": 3, "b": 3})
    for path in (".DS_Store", "a/.DS_Store", "b/Thumbs.db", "a/desktop.ini", ".git/config"):
        (tmp_path / path).parent.mkdir(exist_ok=True)
        (tmp_path / path).write_text("x")
    assert len(load_images(tmp_path).train.labels) == 2


COLOURS = np.random.default_rng(0).integers(0, 256, (4, 4, 3), dtype=np.uint8)
GREYS = COLOURS[..., 0]


@pytest.mark.parametrize("mode", ["L", "LA", "1"])
def test_grey_files_make_grey_images(mode, tmp_path):
    fill(tmp_path, {"a": 3, "b": 3})
    bright = np.where(GREYS > 127, 255, 0).astype(np.uint8) if mode == "1" else GREYS
    save(tmp_path / "a" / "0.png", bright, mode)
    images = torch.cat([part.images for part in parts(load_images(tmp_path)).values()])
    assert images.shape == (6, 4, 4)
    assert any(torch.equal(image, torch.from_numpy(bright)) for image in images)


@pytest.mark.parametrize("mode", ["RGB", "RGBA"])
def test_one_colour_file_makes_all_images_colour(mode, tmp_path):
    fill(tmp_path, {"a": 3, "b": 3})
    save(tmp_path / "a" / "0.png", COLOURS, mode)
    corpus = load_images(tmp_path)
    images = torch.cat([part.images for part in parts(corpus).values()])
    assert corpus.description.shape == images.shape[1:] == (4, 4, 3)
    assert any(torch.equal(image, torch.from_numpy(COLOURS)) for image in images)
    assert any(torch.equal(image, torch.full((4, 4, 3), 4, dtype=torch.uint8)) for image in images)


def test_palettes_are_resolved(tmp_path):
    fill(tmp_path, {"a": 3, "b": 3})
    save(tmp_path / "a" / "0.png", Image.fromarray(GREYS).convert("P"))
    assert load_images(tmp_path).description.shape == (4, 4)
    red = Image.fromarray(GREYS)
    red.putpalette([c for level in range(256) for c in (level, 0, 0)])
    save(tmp_path / "a" / "0.png", red)
    images = torch.cat([part.images for part in parts(load_images(tmp_path)).values()])
    assert any(
        torch.equal(image[..., 0], torch.from_numpy(GREYS)) and not image[..., 1:].any() for image in images
    )


def test_of_sixteen_bits_the_upper_eight_are_kept(tmp_path):
    fill(tmp_path, {"a": 3, "b": 3})
    save(tmp_path / "a" / "0.png", GREYS.astype(np.uint16) * 256 + 200)
    images = torch.cat([part.images for part in parts(load_images(tmp_path)).values()])
    assert images.shape == (6, 4, 4)
    assert any(torch.equal(image, torch.from_numpy(GREYS)) for image in images)


def test_jpeg_is_read_and_turned_upright(tmp_path):
    for name in "ab":
        for i in range(3):
            picture = np.zeros((16, 16), np.uint8)
            picture[:8] = 255
            exif = Image.Exif()
            exif[0x0112] = 3  # was taken upside down
            save(tmp_path / name / f"{i}.JPG", picture, format="JPEG", exif=exif)
    image = load_images(tmp_path).train.images[0]
    assert image.shape == (16, 16)
    assert image[:7].max() < 10
    assert image[9:].min() > 245


def test_images_of_two_sizes_are_named(tmp_path):
    fill(tmp_path, {"a": 3, "b": 3})
    save(tmp_path / "b" / "2.png", serial(0, 5))
    refused(tmp_path, r"b.2\.png: expected 4×4 pixels as in .*a.0\.png, found 5×5: bring")
    save(tmp_path / "a" / "0.png", np.zeros((4, 6), np.uint8))
    refused(tmp_path, r"a.0\.png: expected a square image, found 6×4 pixels: crop or pad")


def write(content: bytes):
    def act(path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)

    return act


@pytest.mark.parametrize(
    ("place", "act", "words"),
    [
        (
            "a/notes.txt",
            write(b"hello"),
            r"a.notes.txt: expected a whole PNG or JPEG file, found something else",
        ),
        ("a/x.png", write(b""), r"a.x.png: expected a whole PNG or JPEG file, found something else"),
        ("a/x.gif", lambda path: save(path, serial(0)), r"a.x.gif: expected .* found something else"),
        ("a/x.png", lambda path: os.symlink(path / "gone", path), r"a.x.png: expected .* a damaged one"),
        ("README", write(b"x"), r"README: expected only folders in .*, one per class, found a file"),
        ("c", Path.mkdir, r"c: expected images in a class folder, found none"),
        ("a/deep/0.png", write(b"x"), r"a.deep: expected only images in the class folder a/, found a folder"),
        (
            "train/a/0.png",
            lambda path: save(path, serial(0)),
            r"a: expected beside train/ at most one folder",
        ),
    ],
)
def test_a_foreign_file_or_folder_is_named(place, act, words, tmp_path):
    fill(tmp_path, {"a": 3, "b": 3})
    act(tmp_path / place)
    refused(tmp_path, words)


@pytest.mark.parametrize("kept", [0.3, 0.9])
@pytest.mark.parametrize("kind", ["png", "jpeg"])
def test_a_truncated_file_is_named(kept, kind, tmp_path):
    fill(tmp_path, {"a": 3, "b": 3})
    noise = np.random.default_rng(0).integers(0, 256, (32, 32), dtype=np.uint8)
    picture = save(tmp_path / "a" / f"0.{kind}", noise)
    picture.write_bytes(picture.read_bytes()[: int(kept * picture.stat().st_size)])
    refused(tmp_path, rf"a.0\.{kind}: expected a whole PNG or JPEG file, found ")


def test_two_folders_for_validation_are_refused(tmp_path):
    for part in ("train", "val", "validation"):
        fill(tmp_path / part, {"a": 3, "b": 3})
    refused(tmp_path, "validation: expected beside train/ at most one folder test/ and one val/")


@pytest.mark.parametrize(
    ("counts", "words"),
    [
        ({}, "one folder per class with images in it, found none"),
        ({"a": 9}, "at least 2 classes, found 1"),
        ({"a": 9, "b": 2}, "at least 3 images of every class, because test and validation .* fewer of 'b'"),
    ],
)
def test_too_little_is_refused(counts, words, tmp_path):
    refused(fill(tmp_path, counts), words)


def test_a_class_that_was_never_trained_is_refused(tmp_path):
    fill(tmp_path / "train", {"a": 3, "b": 3})
    fill(tmp_path / "test", {"a": 1, "c": 1})
    refused(tmp_path, "in test only classes that train has, found 'c'")


@given(
    st.lists(st.integers(3, 60), min_size=2, max_size=12), st.integers(0, 2**32), st.sampled_from([0.1, 0.2])
)
def test_every_class_keeps_its_share(counts, seed, share):
    labels = torch.arange(len(counts)).repeat_interleave(torch.tensor(counts))
    kept, held = hold_out(labels, share, seed)
    assert sorted(kept.tolist() + held.tolist()) == list(range(len(labels)))
    taken = labels[held].bincount(minlength=len(counts)).tolist()
    assert taken == quotas(counts, share)
    for count, here in zip(counts, taken, strict=True):
        assert max(1, count * share - 1) <= here <= max(1, count * share + 1)
        assert here < count
    if all(count * share >= 1 for count in counts):
        assert abs(sum(taken) - share * sum(counts)) <= 0.5 + 1e-9


@given(st.lists(st.text("ab019²٣-", max_size=5), max_size=6))
def test_any_names_can_be_sorted(names):
    assert Counter(sorted(names, key=natural)) == Counter(names)
    assert sorted(["b10", "b2", "a", "10", "9"], key=natural) == ["9", "10", "a", "b2", "b10"]


def png() -> bytes:
    file = io.BytesIO()
    Image.fromarray(COLOURS).save(file, "PNG")
    return file.getvalue()


@given(st.one_of(st.binary(max_size=100), st.binary(max_size=100).map(lambda rest: png()[:8] + rest)))
def test_any_bytes_in_a_class_folder_are_read_or_refused(data):
    read_or_refused(data)


@given(st.integers(0, len(png()) - 1), st.integers(0, 255), st.integers(0, 30))
def test_any_damage_to_a_picture_is_read_or_refused(place, byte, lost):
    data = bytearray(png())
    data[place] = byte
    read_or_refused(bytes(data[: len(data) - lost]))


def read_or_refused(data: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder:
        root = fill(Path(folder), {"a": 3, "b": 3})
        (root / "a" / "0.png").write_bytes(data)
        try:
            assert len(load_images(root).train.labels) == 2
        except DataError as error:
            assert "0.png" in str(error)
            assert "\n" not in str(error)


# ---- .npz files


def npz(folder: Path, **arrays) -> Path:
    np.savez(folder / "images.npz", **arrays)
    return folder / "images.npz"


X = np.arange(20, dtype=np.uint8)[:, None, None] * np.ones((4, 4), np.uint8)
Y = np.arange(20) % 2


def test_npz_parts_are_kept_in_their_order(tmp_path):
    path = npz(tmp_path, x_train=X, y_train=Y, x_val=X[:4], y_val=Y[:4], x_test=X[4:7], y_test=Y[4:7, None])
    corpus = corpora.load(str(path))
    assert isinstance(corpus, Corpus)
    assert corpus.train.images.tolist() == X.tolist()
    assert corpus.train.labels.tolist() == Y.tolist()
    assert corpus.validation.labels.tolist() == [0, 1, 0, 1]
    assert corpus.test.labels.tolist() == [0, 1, 0]
    assert (corpus.note, corpus.description.classes) == ("", ("0", "1"))


def test_npz_without_parts_is_split(tmp_path):
    corpus = load_images(npz(tmp_path, x=X, y=Y))
    assert [len(part.labels) for part in parts(corpus).values()] == [14, 2, 4]
    assert sorted(itertools.chain(*seen(corpus).values())) == list(range(20))
    assert corpus.note.startswith("no test images were given: 4 of 20")


@pytest.mark.parametrize(
    ("labels", "names", "classes", "codes"),
    [
        (["cat", "ant", "cat"] * 5, None, ("ant", "cat"), [1, 0, 1]),
        ([b"cat", b"ant", b"cat"] * 5, None, ("ant", "cat"), [1, 0, 1]),
        (["cat", "ant", "cat"] * 5, ["cat", "ant"], ("cat", "ant"), [0, 1, 0]),
        ([10, 2, 10] * 5, None, ("2", "10"), [1, 0, 1]),
        ([1, 0, 1] * 5, ["cat", "ant"], ("cat", "ant"), [1, 0, 1]),
        ([True, False, True] * 5, None, ("0", "1"), [1, 0, 1]),
    ],
)
def test_labels_are_integers_or_strings(labels, names, classes, codes, tmp_path):
    held = {"x_val": X[:3], "y_val": labels[:3], "x_test": X[:3], "y_test": labels[:3]}
    more = {"classes": names} if names else {}
    corpus = load_images(npz(tmp_path, x_train=X[:15], y_train=labels, **held, **more))
    assert corpus.description.classes == classes
    assert corpus.test.labels.tolist() == codes


@pytest.mark.parametrize("kind", [np.float16, np.float32, np.float64])
def test_floats_from_nought_to_one_become_bytes(kind, tmp_path):
    every = np.arange(256, dtype=np.uint8).repeat(4).reshape(256, 2, 2)
    labels = np.arange(256) % 2
    whole = load_images(npz(tmp_path, x=every, y=labels))
    for off in (0, 0.3, -0.3):  # to the nearest byte
        floats = ((every + off) / 255).clip(0, 1).astype(kind)
        assert load_images(npz(tmp_path, x=floats, y=labels)).sha256 == whole.sha256


@pytest.mark.parametrize(
    ("x", "shape"),
    [
        (X[..., None], (4, 4)),
        (np.stack([X] * 3, -1), (4, 4, 3)),
        (X.astype(np.int64), (4, 4)),
        (X > 9, (4, 4)),
    ],
)
def test_shapes_and_types_that_are_read(x, shape, tmp_path):
    corpus = load_images(npz(tmp_path, x=x, y=Y))
    assert corpus.description.shape == corpus.train.images.shape[1:] == shape
    assert corpus.train.images.max() == (255 if x.dtype == bool else 19)


@pytest.mark.parametrize(
    ("arrays", "words"),
    [
        ({"x": X}, "expected arrays x_train.*found x:"),
        ({}, "expected arrays .*found none"),
        (
            {"x_train": X, "y_train": Y, "x_valid": X, "y_valid": Y},
            "found x_train, y_train, x_valid, y_valid",
        ),
        ({"x_train": X, "y_train": Y, "x_test": X}, "expected arrays"),
        ({"x": X, "y": Y, "x_train": X, "y_train": Y}, "expected arrays"),
        ({"x": X.reshape(20, 16), "y": Y}, r"x_train: expected square images .*found \(20, 16\)"),
        ({"x": X[:, :3], "y": Y}, r"found \(20, 3, 4\)"),
        ({"x": X.reshape(20, 1, 4, 4), "y": Y}, r"found \(20, 1, 4, 4\)"),
        ({"x": X[:0], "y": Y[:0]}, r"found \(0, 4, 4\)"),
        ({"x": X.astype(float), "y": Y}, "float64 values from 0 to 1, found 0.0 to 19.0"),
        ({"x": X / 19 - 0.1, "y": Y}, "from 0 to 1, found -0.1"),
        ({"x": X / 19 * np.nan, "y": Y}, "found nan to nan"),
        ({"x": X * 20.0, "y": Y}, "from 0 to 1"),
        ({"x": X.astype(int) * 20, "y": Y}, "from 0 to 255, found 0 to 380"),
        ({"x": X.astype(complex), "y": Y}, "expected uint8, or floats from 0 to 1, found complex128"),
        ({"x": X.astype("U"), "y": Y}, "expected uint8"),
        ({"x": X, "y": Y[:19]}, "as many labels as images, 20, found 19"),
        ({"x": X, "y": Y * 1.0}, "one integer or string for each, found float64"),
        ({"x": X, "y": np.eye(2)[Y]}, "one integer or string for each"),
        ({"x": X, "y": Y.astype(object)}, "plain arrays"),
        (
            {"x": X, "y": Y + 1, "classes": ["a", "b"]},
            "labels from 0 to 1, as there are 2 classes, found 1 to 2",
        ),
        ({"x": X, "y": Y, "classes": ["a", "a"]}, "different names in classes"),
        ({"x": X, "y": Y, "classes": ["a", "b", "c"]}, "training images of every class, found none of 'c'"),
        ({"x": X, "y": Y * 0}, "at least 2 classes, found 1"),
        (
            {"x_train": X, "y_train": Y, "x_test": X[:, 1:, 1:], "y_test": Y},
            r"x_test: expected images of \(4, 4\)",
        ),
        ({"x_train": X, "y_train": Y, "x_test": X, "y_test": Y + 1}, "in test only classes .*found '2'"),
    ],
)
def test_wrong_arrays_are_one_line(arrays, words, tmp_path):
    refused(npz(tmp_path, **arrays), words)


def whole_npz() -> bytes:
    file = io.BytesIO()
    np.savez(file, x=X, y=Y)
    return file.getvalue()


@given(st.binary(max_size=50), st.integers(0, len(whole_npz())), st.booleans())
def test_any_npz_is_read_or_refused(noise, place, from_scratch):
    data = noise if from_scratch else whole_npz()[:place] + noise + whole_npz()[place + len(noise) :]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "x.npz"
        path.write_bytes(data)
        try:
            assert isinstance(corpora.load(path), Corpus)
        except DataError as error:
            assert "x.npz" in str(error)
            assert "\n" not in str(error)

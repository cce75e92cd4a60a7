"""`ffrec predict`: image files in, the likeliest class and the runner-up out."""

import json

import numpy as np
import pytest
from commands import assert_refused, ffrec
from PIL import Image

import ffrec as package
from ffrec.recipes import recipe
from ffrec.storage.run_folder import RunFolder
from ffrec.tasks.recorded import configuration


class Model:
    """Takes the mean of an image as a class: dark, grey, bright."""

    classes = np.array(["dark", "grey", "bright"])
    image_shape: tuple[int, ...] = (4, 6)

    def predict_proba(self, images):
        assert images.dtype == np.uint8
        assert images.shape[1:] == self.image_shape
        brightness = images.reshape(len(images), -1).mean(1)[:, None] / 255
        scores = 1 - abs(brightness - np.array([0, 0.5, 1]))
        return scores / scores.sum(1, keepdims=True)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A folder with a run of that model, and pictures."""
    RunFolder.create(tmp_path / "run", configuration(recipe("recurrent-digits"), 0, "fp32"))
    RunFolder.create(tmp_path / "text", configuration(recipe("fables"), 0, "fp32"))
    monkeypatch.setattr(package, "load", lambda run, device="cpu": Model(), raising=False)
    for name, value in {"black": 0, "white": 255}.items():
        Image.new("L", (6, 4), value).save(tmp_path / f"{name}.png")
    Image.new("RGB", (6, 4), (255, 255, 255)).save(tmp_path / "colour.png")
    Image.new("L", (12, 8), 128).save(tmp_path / "large.png")
    return tmp_path


def test_json_has_the_likeliest_class_and_the_runner_up(folder):
    done = ffrec("predict", "run", "black.png", "colour.png", "--json", cwd=folder)
    assert (done.returncode, done.stderr) == (0, "")
    first, second = json.loads(done.stdout)["predictions"]
    assert (first["file"], first["label"], first["runner_up"]) == ("black.png", "dark", "grey")
    assert first["probability"] == pytest.approx(1 / 1.5)
    assert first["runner_up_probability"] == pytest.approx(0.5 / 1.5)
    assert (second["label"], second["runner_up"]) == ("bright", "grey")


def test_csv_and_lines(folder):
    rows = ffrec("predict", "run", "black.png", "white.png", "--csv", cwd=folder).stdout.splitlines()
    assert rows[0] == "file,label,probability,runner_up,runner_up_probability"
    assert [row.split(",")[1] for row in rows[1:]] == ["dark", "bright"]
    assert ffrec("predict", "run", "white.png", cwd=folder).stdout == (
        "white.png: bright (0.667), then grey (0.333)\n"
    )


def test_a_wrong_size_is_refused_and_can_be_resized(folder):
    done = ffrec("predict", "run", "black.png", "large.png", cwd=folder)
    assert_refused(done, "large.png: expected 6×4 pixels, found 12×8: give --resize")
    assert "grey" in ffrec("predict", "run", "large.png", "--resize", cwd=folder).stdout


def test_a_colour_run_gets_colour(folder, monkeypatch):
    monkeypatch.setattr(Model, "image_shape", (4, 6, 3))
    assert "bright" in ffrec("predict", "run", "white.png", cwd=folder).stdout


def test_sixteen_bits_of_grey_keep_their_brightness(folder):
    Image.fromarray(np.full((4, 6), 0x8000, np.uint16)).save(folder / "deep.png")
    assert "deep.png: grey" in ffrec("predict", "run", "deep.png", cwd=folder).stdout


@pytest.mark.parametrize("content", [None, b"not an image", b"\x89PNG\r\n\x1a\nbroken"])
def test_what_is_no_image_is_named(folder, content):
    if content:
        (folder / "odd.png").write_bytes(content)
    assert_refused(
        ffrec("predict", "run", "odd.png", cwd=folder), "odd.png: expected a whole PNG or JPEG file"
    )
    assert_refused(ffrec("predict", "run", ".", cwd=folder), "found a folder")


def test_classes_that_are_numbers_are_printed_as_they_are(folder, monkeypatch):
    monkeypatch.setattr(Model, "classes", np.array([7, 8, 9]))
    found = json.loads(ffrec("predict", "run", "white.png", "--json", cwd=folder).stdout)
    assert found["predictions"][0]["label"] == "9"


def test_two_forms_and_no_run_are_refused(folder):
    assert_refused(ffrec("predict", "run", "black.png", "--json", "--csv", cwd=folder), "give one of them")
    assert_refused(ffrec("predict", "nowhere", "black.png", cwd=folder), "not a run folder")
    assert_refused(ffrec("predict", "text", "black.png", cwd=folder), "ffrec perplexity text")

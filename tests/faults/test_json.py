"""Any JSON value in any of our files is one line and exit code 2, or a run that is skipped."""

import json
import shutil
from pathlib import Path

import hypothesis.strategies as st
import pytest
import safetensors.torch
import torch
from commands import ffrec
from hypothesis import HealthCheck, given, settings
from injected import budget
from small_runs import TRAIN, train

ATOMS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5)
NEAR = st.sampled_from([0, 1, -1, 2**63, 1e308, "", "mnist", "character", "recurrent", [], {}, [0], [[1]]])
VALUES = st.recursive(
    ATOMS | NEAR,
    lambda part: st.lists(part, max_size=3) | st.dictionaries(st.text(max_size=5), part, max_size=3),
)
FILES = ("config.json", "environment.json", "metrics.jsonl", "result.json", "data.json", "calibration.json")
COMMANDS = {
    "evaluate": ("evaluate", "run"),
    "predict": ("predict", "run", "image.png"),
    "resume": (*TRAIN, "--out", "run", "--resume"),
    "ls": ("ls", "--runs", "."),
    "results": ("report", ".", "--results"),
    "pages": ("report", "."),
    "plot": ("plot", "run"),
}
LIGHT = ("evaluate", "ls", "results", "predict")
QUIET = {"deadline": None, "database": None, "suppress_health_check": list(HealthCheck)}


@pytest.fixture(scope="module")
def finished(tmp_path_factory) -> Path:
    """A folder of a finished run, of another one, and an image."""
    folder = tmp_path_factory.mktemp("finished")
    assert train(folder / "run") == 0
    shutil.copytree(folder / "run", folder / "other")
    from PIL import Image

    Image.new("L", (8, 8)).save(folder / "image.png")
    return folder


def places(value, path=()):
    """Every place in a JSON value, by the keys and numbers that lead to it."""
    yield path
    parts = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, part in parts:
        yield from places(part, (*path, key))


def changed(value, path, new):
    """A JSON value with another one in a place; an Ellipsis removes what is there."""
    if not path:
        return {} if new is ... else new
    copy = dict(value) if isinstance(value, dict) else list(value)
    if len(path) == 1 and new is ...:
        del copy[path[0]]
    else:
        copy[path[0]] = changed(value[path[0]], path[1:], new)
    return copy


def check(folder: Path, name: str) -> None:
    """Run a command on damaged files: it does what it says, or refuses in one line, or skips the run."""
    done = ffrec(*COMMANDS[name], cwd=folder)
    assert done.returncode in (0, 2), (name, done)
    said = [line for line in done.stderr.splitlines() if line.startswith("ffrec:")]
    assert len(said) == 1 if done.returncode == 2 else len(said) <= 1, (name, done)
    if name in ("ls", "results", "pages"):
        assert done.returncode == 0
        assert "other" in done.stdout or name == "results"


def damage(finished: Path, folder: Path, file: str, path_drawn: int, new: object, whole: bool) -> None:
    """Copy the runs, and put a value into a place of a file, or in place of all that it holds."""
    shutil.copytree(finished, folder)
    target = folder / "run" / file
    *before, last = target.read_text().splitlines() if file == "metrics.jsonl" else [target.read_text()]
    value = json.loads(last)
    there = [()] if whole else list(places(value))
    made = changed(value, there[path_drawn % len(there)], new)
    target.write_text("\n".join([*before, json.dumps(made)]) + "\n")


def strike(finished, folder, commands, file, drawn, new, whole):
    try:
        damage(finished, folder, file, drawn, new, whole)
        for name in commands:
            check(folder, name)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


DRAWN = (st.sampled_from(FILES), st.integers(0, 10**6), VALUES | st.just(...), st.booleans())


@given(*DRAWN)
@settings(max_examples=8, derandomize=True, **QUIET)
def test_any_json_value_in_any_file_is_one_line(finished, tmp_path_factory, file, drawn, new, whole):
    strike(finished, tmp_path_factory.mktemp("a") / "f", LIGHT, file, drawn, new, whole)


@pytest.mark.faults
@given(*DRAWN)
@settings(max_examples=budget("FFREC_EXAMPLES", 400), **QUIET)
def test_any_json_value_in_any_file_is_one_line_in_all_commands(
    finished, tmp_path_factory, file, drawn, new, whole
):
    strike(finished, tmp_path_factory.mktemp("a") / "f", COMMANDS, file, drawn, new, whole)


@pytest.mark.parametrize(
    "text", ["", "{", "[" * 10_000, "\ud800", "NaN", '{"a": 1e999}', "\x00", "1" * 10_000]
)
@pytest.mark.parametrize("file", ["config.json", "metrics.jsonl"])
def test_what_is_no_json_is_one_line(finished, tmp_path, file, text):
    shutil.copytree(finished, tmp_path / "f")
    (tmp_path / "f/run" / file).write_bytes(text.encode(errors="surrogatepass"))
    for name in ("evaluate", "ls"):
        check(tmp_path / "f", name)


FOREIGN = ({"model_type": "bert"}, {}, {"recipe": 1}, {"recipe": {"name": "a"}}, [], "a", None)


@pytest.mark.parametrize("config", FOREIGN, ids=str)
def test_a_foreign_folder_is_skipped_with_a_line_and_the_others_are_shown(finished, tmp_path, config):
    shutil.copytree(finished / "other", tmp_path / "other")
    (tmp_path / "foreign").mkdir()
    (tmp_path / "foreign/config.json").write_text(json.dumps(config))
    for name in ("ls", "results"):
        done = ffrec(*COMMANDS[name], cwd=tmp_path)
        assert done.returncode == 0
        (line,) = done.stderr.splitlines()
        assert line.startswith("ffrec: skipped:")
        assert "foreign" in line
        assert "supervised-digits" in done.stdout


FORGED = {
    "no safetensors": b"damaged",
    "nothing": b"",
    "a long head": (2**62).to_bytes(8, "little") + b"{}",
    "other arrays": safetensors.torch.save({"a": torch.zeros(2)}),
    "other shapes": safetensors.torch.save(
        {n: torch.zeros(1) for n in ("images", "truth", "goodness", "positive", "negative", "index")}
    ),
}


def forged():
    """What an examples.safetensors may hold; one that can be read has pictures drawn, slowly."""
    for name, data in FORGED.items():
        marks = [pytest.mark.faults] if name.startswith("other") else []
        yield pytest.param(data, id=name, marks=marks)


@pytest.mark.parametrize("data", forged())
def test_damaged_examples_are_one_line(finished, tmp_path, data):
    shutil.copytree(finished, tmp_path / "f")
    (tmp_path / "f/run/examples.safetensors").write_bytes(data)
    shutil.rmtree(tmp_path / "f/other")
    done = ffrec("report", ".", cwd=tmp_path / "f")
    assert done.returncode == 0
    assert len(done.stderr.splitlines()) == 1
    assert ffrec("plot", "run", cwd=tmp_path / "f").returncode == 2

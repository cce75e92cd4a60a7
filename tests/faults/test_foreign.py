"""What is no JSON, paths to something else, folders of other tools, forged safetensors: one line each."""

import json
import shutil

import pytest
import safetensors.torch
import torch
from commands import assert_refused, ffrec
from test_json import COMMANDS, TABLES, check


@pytest.mark.parametrize(
    "text", ["", "{", "[" * 10_000, "\ud800", "NaN", '{"a": 1e999}', "\x00", "1" * 10_000]
)
@pytest.mark.parametrize("file", ["config.json", "metrics.jsonl"])
def test_what_is_no_json_is_one_line(finished, tmp_path, file, text):
    shutil.copytree(finished, tmp_path / "f")
    (tmp_path / "f/run" / file).write_bytes(text.encode(errors="surrogatepass"))
    for name in ("evaluate", "ls"):
        check(tmp_path / "f", name, COMMANDS["run"][name])


ODD = {
    "a run for a folder of runs": ("report", "other"),
    "a page that is not there": ("report", ".", "--into", "nowhere.md"),
    "a page of bytes": ("report", ".", "--into", "binary"),
    "a file without a name": ("report", ".", "--expected", "."),
    "a folder for a file": ("report", ".", "--expected", "other"),
    "plugins in a circle": ("evaluate", "other", "--plugin", "circle"),
    "images in a circle": ("train", "recurrent-digits", "--images", "circle", "--out", "new"),
}


@pytest.mark.parametrize("arguments", ODD.values(), ids=ODD)
def test_a_path_to_something_else_is_one_line(finished, tmp_path, arguments):
    shutil.copytree(finished / "other", tmp_path / "other")
    (tmp_path / "binary").write_bytes(b"\xff\xfe\x00")
    (tmp_path / "circle").symlink_to(tmp_path / "circle")
    done = ffrec(*arguments, cwd=tmp_path)
    assert_refused(done)
    assert "Errno" not in done.stderr


FOREIGN = ({"model_type": "bert"}, {}, {"recipe": 1}, {"recipe": {"name": "a"}}, [], "a", None)


@pytest.mark.parametrize("config", FOREIGN, ids=str)
def test_a_foreign_folder_is_skipped_with_a_line_and_the_others_are_shown(finished, tmp_path, config):
    shutil.copytree(finished / "other", tmp_path / "other")
    (tmp_path / "foreign").mkdir()
    (tmp_path / "foreign/config.json").write_text(json.dumps(config))
    for name in ("ls", "results"):
        done = ffrec(*TABLES[name], cwd=tmp_path)
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


@pytest.mark.parametrize("data", list(forged()))
def test_damaged_examples_are_one_line(finished, tmp_path, data):
    shutil.copytree(finished, tmp_path / "f")
    (tmp_path / "f/run/examples.safetensors").write_bytes(data)
    shutil.rmtree(tmp_path / "f/other")
    done = ffrec("report", ".", cwd=tmp_path / "f")
    assert done.returncode == 0
    assert len(done.stderr.splitlines()) == 1
    assert ffrec("plot", "run", cwd=tmp_path / "f").returncode == 2

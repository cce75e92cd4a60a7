"""The commands of the character model as a user meets them: real processes, one line for a mistake."""

import json
import re
import subprocess
import sys

import pytest
from test_cli import environment, ffrec

from corpora import ALPHABET

SIZE = ["--set", "hidden=[20]", "--set", "window=6", "--set", "epochs=2", "--set", "passes=1"]
SIZE += ["--set", "validate_every=2", "--set", "strings=60"]


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A small finished run with nights and a memory, its diary, and what `train --json` said of it."""
    folder = tmp_path_factory.mktemp("text")
    night = ["--set", "regime=night", "--set", "night=2", "--dreams", "diary.txt"]
    done = ffrec("train", "fables", *SIZE, *night, "--seed", "3", "--out", "run", "--json", cwd=folder)
    assert done.returncode == 0, done.stderr
    return folder / "run", json.loads(done.stdout)


def test_train_json_has_the_promised_keys(trained):
    run, said = trained
    assert (said["recipe"], said["seed"], said["updates"]) == ("fables", 3, 6)
    for part in ("train", "validation", "test"):
        low, high = said[part]["interval"]
        assert 1 < low < said[part]["perplexity"] < high < 30
        assert said[part]["characters"] == 94 * said[part]["strings"]
        assert sum(said[part]["by_symbol"]["count"]) == said[part]["characters"]
    assert list(said["baselines"])[:2] == ["uniform", "unigram"]
    assert said["baselines"]["uniform"]["test"]["perplexity"] == pytest.approx(30)
    assert json.loads((run / "result.json").read_text()) == said


def test_the_run_folder_stores_the_symbols_as_json(trained):
    config = json.loads((trained[0] / "config.json").read_text())
    assert "".join(config["symbols"]) == ALPHABET
    assert re.fullmatch("[0-9a-f]{64}", config["text"])


def test_the_diary_has_every_nights_strings(trained):
    lines = (trained[0].parent / "diary.txt").read_text().split("\n")
    assert len(lines) == 3 * 60 + 1  # three nights in six batches
    assert {len(line) for line in lines[:-1]} == {100}
    assert set("".join(lines)) <= set(ALPHABET)


def test_perplexity_agrees_with_training(trained):
    run, said = trained
    again = json.loads(ffrec("perplexity", str(run), "--json", cwd=run.parent).stdout)
    for part in ("train", "validation", "test"):
        assert again[part]["perplexity"] == pytest.approx(said[part]["perplexity"], rel=1e-6)
    assert again["baselines"] == said["baselines"]


def test_perplexity_of_another_text(trained, tmp_path):
    run, _ = trained
    (tmp_path / "other.txt").write_text("A dog, a Bone!\r\n" * 30)
    done = ffrec("perplexity", str(run), "--text", "other.txt", cwd=tmp_path)
    assert "text: perplexity" in done.stdout
    assert "deleted 30 characters outside the alphabet: '!' × 30" in done.stdout


def test_baselines_are_trained_once_and_kept(trained):
    run, _ = trained
    said = json.loads(ffrec("perplexity", str(run), "--baselines", "--json", cwd=run.parent).stdout)
    names = {"random features", "backpropagation"}
    note = " (plain initial weights)"
    assert (
        names | {"random features with the memory"} | {name + note for name in names}
        < said["baselines"].keys()
    )
    assert said["baselines"]["backpropagation"]["passes"] >= 1
    kept = (run / "baselines.json").stat().st_mtime_ns
    again = json.loads(ffrec("perplexity", str(run), "--baselines", "--json", cwd=run.parent).stdout)
    assert again["baselines"] == said["baselines"]
    assert (run / "baselines.json").stat().st_mtime_ns == kept


@pytest.mark.parametrize("prompt", ["", "a", "the fox and the grapes"])
def test_samples_go_on_from_the_prompt(trained, prompt):
    run, _ = trained
    arguments = ["--prompt", prompt, "--length", "30", "--count", "3", "--seed", "1"]
    done = ffrec("sample", str(run), *arguments, cwd=run.parent)
    lines = done.stdout.split("\n")[:-1]
    assert [len(line) for line in lines] == [len(prompt) + 30] * 3
    assert all(line.startswith(prompt) and set(line) <= set(ALPHABET) for line in lines)
    assert len(set(lines)) == 3
    assert ffrec("sample", str(run), *arguments, cwd=run.parent).stdout == done.stdout


def test_temperature_zero_always_writes_the_same(trained):
    run, _ = trained
    done = ffrec("sample", str(run), "--temperature", "0", "--length", "20", "--count", "2", cwd=run.parent)
    first, second = done.stdout.split("\n")[:-1]
    assert first == second


def test_a_lenient_prompt_drops_and_length_zero_writes_nothing_more(trained):
    run, _ = trained
    done = ffrec("sample", str(run), "--prompt", "Fox 7!", "--lenient", "--length", "0", cwd=run.parent)
    assert done.stdout == "fox \n"


def test_dreams_are_written_and_scored(trained, tmp_path):
    run, _ = trained
    done = ffrec(
        "dream", str(run), "--count", "5", "--out", str(tmp_path / "d.txt"), "--score", cwd=run.parent
    )
    assert done.returncode == 0, done.stderr
    lines = (tmp_path / "d.txt").read_text().split("\n")[:-1]
    assert [len(line) for line in lines] == [100] * 5
    assert len(re.findall(r"layer 1: \d+\.\d+ \d+\.\d+", done.stdout)) == 5
    assert re.search(r"\d+\.\d % have the real one judged higher", done.stdout)
    assert (run / "pictures" / "dreams_scored.png").stat().st_size > 1000


def test_pictures_of_one_run_and_of_several(trained):
    run, _ = trained
    done = ffrec("plot", "run", cwd=run.parent)
    assert "run/pictures/perplexity.png" in done.stdout
    assert "Kneser-Ney" in (run / "report.html").read_text()
    done = ffrec("plot", "run", "run", "--out", "both.png", cwd=run.parent)
    assert done.stdout == "both.png\n"
    assert (run.parent / "both.png").read_bytes().startswith(b"\x89PNG")


def test_ls_and_report_know_text_runs(trained):
    run, said = trained
    listed = ffrec("ls", "--runs", ".", cwd=run.parent).stdout
    assert f"perplexity {said['test']['perplexity']:.2f}" in listed
    table = ffrec("report", ".", "--results", cwd=run.parent).stdout
    assert "| test perplexity |" in table
    assert f"| {said['test']['perplexity']:.2f} |" in table


def test_training_on_a_file_of_ones_own(tmp_path):
    words = ["the", "quick", "fox", "jumps", "over", "a", "lazy", "dog,", "wolf;", "crow", "and", "grapes."]
    text = " ".join(words[(i * i + i // 7) % len(words)] for i in range(1500))
    (tmp_path / "my.txt").write_text(text)
    done = ffrec("train", "fables", *SIZE, "--text", "my.txt", "--out", "run", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    (tmp_path / "my.txt").write_text(text[::-1])
    done = ffrec("sample", "run", cwd=tmp_path)
    assert (done.returncode, len(done.stderr.splitlines())) == (2, 1)
    assert "is not the text that run was trained on" in done.stderr


def test_a_reader_that_goes_away_is_no_traceback(trained):
    run, _ = trained
    command = [sys.executable, "-m", "cli", "sample", str(run), "--length", "400", "--count", "40"]
    with subprocess.Popen(
        command, env=environment(), cwd=run.parent, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as writer:
        writer.stdout.read(10)
        writer.stdout.close()
        assert b"Traceback" not in writer.stderr.read()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["sample", "RUN", "--prompt", "caf\u00e9!"], "found '!', 'é'"),
        (["sample", "RUN", "--temperature", "-1"], "temperature"),
        (["sample", "RUN", "--top-k", "31"], "--top-k: expected 1 to 30, found 31"),
        (["sample", "RUN", "--top-k", "0"], "top-k"),
        (["sample", "RUN", "--top-p", "1.5"], "top-p"),
        (["sample", "RUN", "--length", "-1"], "length"),
        (["sample", "nowhere"], "not a run folder"),
        (["dream", "RUN", "--count", "0"], "count"),
        (["perplexity", "RUN", "--text", "nowhere.txt"], "nowhere.txt: expected a readable file"),
        (["perplexity", "RUN", "--text", "latin1.txt"], "expected UTF-8 text, found byte 0xe9"),
        (["perplexity", "RUN", "--text", "empty.txt"], "at least 7 letters of the alphabet, found 0"),
        (["evaluate", "RUN"], "ffrec perplexity"),
        (["train", "fables", "--text", "empty.txt", "--out", "new"], "at least 100 letters"),
        (
            ["train", "fables", "--dreams", "d.txt", "--out", "new"],
            "--dreams expects regime night, found sleep",
        ),
        (["train", "recurrent-digits", "--text", "empty.txt"], "need a character recipe"),
        (["train", "fables", "--set", "window=200"], "window"),
    ],
)
def test_a_mistake_is_one_line_and_exit_code_2(trained, tmp_path, arguments, words):
    run, _ = trained
    (tmp_path / "latin1.txt").write_bytes("caf\u00e9 con leche y mas".encode("latin-1"))
    (tmp_path / "empty.txt").write_text("")
    done = ffrec(*(str(run) if word == "RUN" else word for word in arguments), cwd=tmp_path)
    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 1
    assert words in done.stderr
    assert done.stdout == ""
    assert sorted(path.name for path in tmp_path.iterdir()) == ["empty.txt", "latin1.txt"]


def test_an_image_run_is_no_text_run(tmp_path):
    quick = ["--set", "hidden=[12]", "--set", "loss=[1,2]", "--set", "epochs=1", "--set", "batch=300"]
    assert ffrec("train", "recurrent-digits", *quick, "--out", "run", cwd=tmp_path).returncode == 0
    done = ffrec("sample", "run", cwd=tmp_path)
    assert (done.returncode, len(done.stderr.splitlines())) == (2, 1)
    assert "ffrec evaluate run" in done.stderr

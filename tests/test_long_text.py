"""Long texts: how they are split and cut, what of them is predicted, and that nothing is counted twice."""

import json
import os
from pathlib import Path

import pytest
import torch
from commands import assert_refused, ffrec
from hypothesis import given
from hypothesis import strategies as st

import corpora
from corpora import DataError, Description
from corpora.text import split_in_order
from corpora.texts import PLAYS
from ffrec import load
from ffrec.config import GoodnessCharacterConfig, TextRecipe, TextTraining
from ffrec.data.strings import first, pieces
from ffrec.tasks.text import TextTask

TOY = Description("toy", "toy", "here", "–", (100,), ())
LINES = "ROMEO:\nO, she doth teach the torches to burn bright!\n\nJULIET:\nAy me. What's in a name?\n\n"


def play(characters: int) -> str:
    """A text in which no line is like the one before, with upper case and ends of lines."""
    drawn = torch.Generator().manual_seed(1)
    words = LINES.split(" ")
    order = torch.randint(len(words), (characters // 3,), generator=drawn)
    return " ".join(words[place] for place in order)[:characters]


@pytest.mark.parametrize("characters", [20_000, 20_001, 25_017, 29_999])
def test_the_last_tenth_tests_and_the_end_of_the_rest_validates(characters):
    text = play(characters)
    corpus = split_in_order(text, TOY, PLAYS)
    seen = characters * 9 // 10
    parts = [corpus.train, corpus.validation, corpus.test]
    assert all(len(part) == 1 for part in parts)
    assert PLAYS.decode(torch.cat(parts, dim=1)[0]) == text
    assert corpus.test.shape[1] == characters - seen
    assert corpus.validation.shape[1] == seen // 20
    sizes = f"{seen - seen // 20} to train, {seen // 20} to validate, {characters - seen} to test"
    assert corpus.about().endswith(f"characters in a row: {sizes}")


def test_a_short_text_is_not_split_in_order():
    with pytest.raises(DataError, match="at least 20000 letters of the alphabet, found 2000"):
        split_in_order("ab" * 1000, TOY, PLAYS)


@given(st.integers(1, 3), st.integers(1, 700), st.integers(2, 99))
def test_every_character_after_the_first_window_is_predicted_once(count, length, window):
    strings = torch.arange(count * length).view(count, length)
    cut = pieces(strings, window)
    if length <= window + 100:
        assert cut is strings
        return
    assert torch.equal(cut[:, 1:] - cut[:, :-1], torch.ones(len(cut), window + 99, dtype=torch.int64))
    whole = (length - window) // 100 * 100
    assert torch.equal(cut[:, window:].reshape(count, -1), strings[:, window : window + whole])


def test_pieces_take_no_memory():
    text = torch.zeros(1, 50_000, dtype=torch.int64)
    assert pieces(text, 30).untyped_storage().data_ptr() == text.untyped_storage().data_ptr()


@pytest.mark.parametrize("window", [2, 7])
def test_the_first_pieces_are_made_from_the_first_characters(window):
    text = torch.arange(1000)[None]
    assert torch.equal(pieces(first(text, 3, window), window), pieces(text, window)[:3])
    assert first(text, None, window) is text
    strings = torch.arange(1000).view(10, 100)
    assert torch.equal(first(strings, 3, window), strings[:3])


def task(text: str, **training) -> TextTask:
    network = GoodnessCharacterConfig(hidden=(8,), window=6)
    values = {"regime": "teacher-forced", "epochs": 1, "passes": 1, "batch": 20, "strings": None} | training
    recipe = TextRecipe(name="toy", paper="–", data="toy", network=network, training=TextTraining(**values))
    return TextTask(recipe, split_in_order(text, TOY, PLAYS))


@pytest.mark.parametrize("used", [None, 11])
def test_counting_models_see_every_training_character_once(used, tmp_path):
    made = task(play(20_000), strings=used)
    with made.start(tmp_path / "run") as folder:
        for _ in made.trainer.run(folder, made.validation):
            pass
        result = made.finish(folder)
    seen = made.corpus.train[0] if used is None else made.corpus.train[0, : 6 + 1100]
    count = torch.bincount(seen, minlength=65).double() + 1
    predicted = made.corpus.test[0, 6 : 6 + (made.corpus.test.shape[1] - 6) // 100 * 100]
    by_hand = float((-(count / count.sum()).log()[predicted].mean()).exp())
    assert result["baselines"]["unigram"]["test"]["perplexity"] == pytest.approx(by_hand, rel=1e-9)
    assert result["test"]["characters"] == len(predicted)
    assert result["processor_seconds"] > 0


@pytest.fixture(scope="module")
def read(tmp_path_factory):
    """A small run on an embedded play that the menu reads as it runs, and what `train --json` printed."""
    folder = tmp_path_factory.mktemp("play")
    held = dict(corpora.DATASETS)
    about = Description("shakespeare", "toy", "here", "–", (100,), ())
    text = play(20_000)
    corpora.DATASETS["shakespeare"] = corpora.text_dataset(
        about, lambda folder: text, alphabet=PLAYS, split=split_in_order
    )
    size = ["--set", "hidden=[12]", "--set", "window=8", "--set", "epochs=1", "--set", "batch=20"]
    try:
        done = ffrec("train", "shakespeare-goodness", *size, "--out", "run", "--json", cwd=folder)
    finally:
        corpora.DATASETS.clear()
        corpora.DATASETS.update(held)
    assert done.returncode == 0, done.stderr
    return folder / "run", json.loads(done.stdout)


def test_a_run_on_a_long_text_is_evaluated_as_it_was_trained(read):
    run, said = read
    again = json.loads(ffrec("perplexity", str(run), "--json", cwd=run.parent).stdout)
    assert again["test"]["perplexity"] == pytest.approx(said["test"]["perplexity"])
    assert again["test"]["characters"] == said["test"]["characters"] == (2000 - 8) // 100 * 100
    assert again["baselines"] == said["baselines"]
    together = [found["with_counts"]["test"]["perplexity"] for found in (again, said)]
    assert together[0] == pytest.approx(together[1])
    assert " nats or " in ffrec("perplexity", str(run), cwd=run.parent).stdout


def test_samples_have_upper_case_and_ends_of_lines(read):
    run, _ = read
    asked = ["sample", str(run), "--prompt", "ROMEO:\nO, ", "--length", "60", "--seed", "2"]
    text = ffrec(*asked, cwd=run.parent).stdout
    assert text.startswith("ROMEO:\nO, ")
    assert len(text) == 10 + 60 + 1
    model = load(run)
    assert model.sample("ROMEO:\nO, ", 60, seed=2) == text[:-1]
    assert len(model.generate_negatives(2)[1]) == 108
    done = ffrec("dream", str(run), "--count", "2", cwd=run.parent)
    assert done.returncode == 0, done.stderr


def test_a_transformer_and_an_lstm_stand_beside_it(read):
    run, _ = read
    asked = ["perplexity", str(run), "--sequences", "0.01", "--json"]
    found = json.loads(ffrec(*asked, cwd=run.parent).stdout)["baselines"]
    for name in ("transformer, 0.01 minutes", "LSTM, 0.01 minutes"):
        assert found[name]["updates"] >= 1
        assert found[name]["test"]["characters"] == (2000 - 64) // 100 * 100
        assert 1 < found[name]["test"]["perplexity"] < 65
    kept = (run / "baselines.json").stat().st_mtime_ns
    ffrec(*asked, cwd=run.parent)
    assert (run / "baselines.json").stat().st_mtime_ns == kept
    other = ffrec("perplexity", str(run), "--sequences", "1", "--text", "run/config.json", cwd=run.parent)
    assert_refused(other, "--sequences compares on the run's own text")
    assert_refused(ffrec("perplexity", str(run), "--sequences", "nan", cwd=run.parent), "equal to")


def test_the_real_shakespeare_is_split_as_others_do():
    folder = Path(os.environ.get("FFREC_DATA", "no folder"))
    if not (folder / "shakespeare").is_dir():
        pytest.skip("FFREC_DATA has no shakespeare")
    corpus = corpora.load_text("shakespeare", folder)
    sizes = [part.shape[1] for part in (corpus.train, corpus.validation, corpus.test)]
    assert sizes == [953_662, 50_192, 111_540]
    assert len(corpus.alphabet) == 65
    assert not corpus.deleted
    assert corpora.load_text("shakespeare", folder, "aesop").alphabet == corpora.AESOP

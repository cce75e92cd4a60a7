"""Texts: the alphabet against a pure-Python twin, strings that share no window, and bad input in one line."""

import os
import re
from collections import Counter
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import corpora
from corpora import AESOP, ALPHABET, DataError, decode, encode, load_text, normalise
from corpora.alphabet import field
from corpora.corpus import Description
from corpora.text import cut, split
from corpora.texts import AESOP_FILES, aesop_body, fables
from corpora.utf8 import read_text

TOY = Description("toy", "toy", "toy", "–", (100,), tuple(ALPHABET))
symbols = st.text(st.sampled_from(ALPHABET), max_size=300)


CODES = {symbol: code for code, symbol in enumerate("abcdefghijklmnopqrstuvwxyz ,;.")}


class Twin:
    """The codec in plain Python."""

    @staticmethod
    def encode(text):
        return [CODES[symbol] for symbol in text]

    @staticmethod
    def normalise(text):
        kept, gap = [], False
        for character in text.lower():
            if character.isspace():
                kept += [] if gap else [" "]
            else:
                kept.append(character)
            gap = character.isspace()
        return "".join(c for c in kept if c in CODES), Counter(c for c in kept if c not in CODES)


@given(symbols)
def test_codes_are_the_twins_and_come_back(text):
    codes = encode(text)
    assert codes.dtype == torch.int64
    assert codes.tolist() == Twin.encode(text)
    assert decode(codes) == text


@given(st.text())
def test_normalising_is_the_twins_and_settles(text):
    normal, deleted = normalise(text)
    assert (normal, deleted) == Twin.normalise(text)
    assert normalise(normal)[1] == Counter()


def test_the_vocabulary_has_the_fixed_order_and_no_specials():
    vocab = field(AESOP).vocab
    assert "".join(vocab.itos) == ALPHABET == "abcdefghijklmnopqrstuvwxyz ,;."
    assert field(AESOP).unk_token is None
    assert field(AESOP).pad_token is None


def test_a_miss_raises_and_leaves_the_vocabulary_alone():
    before = dict(field(AESOP).vocab.stoi)
    with pytest.raises(DataError, match="found '!', 'é'"):
        encode("caf\u00e9!")
    with pytest.raises(KeyError):
        field(AESOP).vocab.stoi["!"]
    assert field(AESOP).vocab.stoi == before


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (b"\xef\xbb\xbfa\r\nb", "a b"),
        (b"A\tB\n\n C", "a b c"),
        ("Ça va; \u201coui\u201d.".encode(), "a va; oui."),
    ],
)
def test_bom_line_ends_and_case(data, text):
    assert normalise(read_text(data, "file"))[0] == text


def test_a_byte_order_mark_is_no_character():
    assert read_text(b"\xef\xbb\xbfa", "file") == "a"


def test_what_is_deleted_is_counted():
    assert normalise("It's 5 o'clock!") == ("its  oclock", Counter({"'": 2, "5": 1, "!": 1}))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "at least 11 letters of the alphabet, found 0"),
        ("too short", "found 9"),
        (" \n\t ", "found 0"),
        ("12345 67890 !?!?!? 12345", r"found 0 \(21 others deleted\)"),
    ],
)
def test_too_little_text_is_one_line(text, words):
    with pytest.raises(DataError, match=words) as error:
        cut(text, "file.txt", 11)
    assert str(error.value).startswith("file.txt: expected")
    assert "\n" not in str(error.value)


def test_not_utf_8_names_the_byte():
    with pytest.raises(DataError, match="found byte 0xe9 at 3"):
        read_text(b"caf\xe9", "file.txt")


def test_a_text_shorter_than_a_string_is_one_string():
    strings, _ = cut("the fox and the grapes", "x", 11)
    assert strings.shape == (1, 22)
    assert cut("a" * 250, "x", 11)[0].shape == (2, 100)


def numbered(count: int) -> str:
    """A text whose strings all differ."""
    letters = "abcdefghijklmnopqrstuvwxyz"
    return "".join(
        f"{letters[i // 676 % 26]}{letters[i // 26 % 26]}{letters[i % 26]}".ljust(100, "x")
        for i in range(count)
    )


@pytest.mark.parametrize("count", [6, 100, 1931])
def test_no_string_is_in_two_parts_and_all_are_in_one(count):
    corpus = split(numbered(count), TOY)
    parts = [set(map(tuple, part.tolist())) for part in (corpus.train, corpus.validation, corpus.test)]
    assert sum(map(len, parts)) == len(set.union(*parts)) == count
    assert len(corpus.validation) == len(corpus.test) == min(248, count // 6)
    everything = numbered(count)
    for string in (string for part in parts for string in part):
        place = everything.index(decode(torch.tensor(string)))
        assert place % 100 == 0  # so no window of the text lies in two strings


def test_the_split_is_always_the_same_and_repeats_are_left_out():
    once, again = split(numbered(50), TOY), split(numbered(50) + numbered(20), TOY)
    assert torch.equal(once.test, again.test)
    assert torch.equal(once.train, again.train)
    assert once.sha256 == again.sha256 != split(numbered(51), TOY).sha256


def test_a_text_that_repeats_itself_cannot_be_split():
    with pytest.raises(DataError, match="6 different strings of 100 characters to split, found 1"):
        split("abcdefghij" * 1000, TOY)


def test_the_embedded_fables_are_long_enough_and_plain():
    text = fables()
    normal, deleted = normalise(text)
    assert deleted == Counter()
    assert len(normal) >= 60_000
    titles = re.findall(r"^# (.+)$", (Path(corpora.__file__).parent / "fables.txt").read_text(), re.M)
    assert len(titles) == len(set(titles)) >= 100
    assert not any(title in text for title in ("# ", "The Fox and the Grapes\n"))


def test_a_file_is_a_text_and_images_are_not(tmp_path):
    file = tmp_path / "toy.txt"
    file.write_text(numbered(30))
    assert len(load_text(str(file)).train) == 20
    with pytest.raises(DataError, match="expected a text, found images"):
        load_text("digits")
    with pytest.raises(DataError, match="expected images, found a text"):
        corpora.load_images("fables")
    with pytest.raises(DataError, match="did you mean fables"):
        load_text("fable")


def test_aesop_is_found_in_a_file_of_the_publisher(tmp_path, monkeypatch):
    """Licence, foreword, contents and notes on pictures go; a changed body is refused."""
    import dataclasses
    import hashlib

    from corpora import files, texts

    body = "THE FOX AND THE GRAPES\n\nA hungry Fox.\n\nTHE LAST\n\n" + numbered(30)
    whole = (
        "\ufeffLicence\n*** START OF THE EBOOK ***\nFOREWORD\nTHE FOX AND THE GRAPES   1\nTHE LAST   2\n\n"
        + body.replace("A hungry", "[Illustration: A\nFOX]A hungry")
        + "\n\n*** END OF THE EBOOK ***\nMore licence"
    )
    expected = normalise(body)[0].encode()
    assert aesop_body(whole.encode(), "x").strip() == expected.strip()
    held = hashlib.sha256(aesop_body(whole.encode(), "x")).hexdigest()
    toy = dataclasses.replace(AESOP_FILES, sha256={"vernon-jones.txt": held})
    monkeypatch.setattr(texts, "AESOP_FILES", toy)
    monkeypatch.setattr(files, "cache", lambda source: tmp_path / "cache" / source.name)
    (tmp_path / "aesop").mkdir()
    (tmp_path / "aesop" / "vernon-jones.txt").write_text(whole)
    assert load_text("aesop", tmp_path).deleted["["] == 0
    (tmp_path / "aesop" / "vernon-jones.txt").write_text(whole.replace("hungry", "angry"))
    with pytest.raises(DataError, match="expected SHA-256"):
        load_text("aesop", tmp_path)


@pytest.mark.skipif("FFREC_DATA" not in os.environ, reason="needs FFREC_DATA with aesop/vernon-jones.txt")
def test_the_real_aesop_has_the_papers_strings():
    corpus = load_text("aesop", Path(os.environ["FFREC_DATA"]))
    assert [len(part) for part in (corpus.train, corpus.validation, corpus.test)] == [1435, 248, 248]
    assert corpus.deleted['"'] > 1000

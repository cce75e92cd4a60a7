"""Alphabets: taken from a text or a file, what becomes of other symbols, codes there and back."""

import dataclasses
import json
import string
import unicodedata
from collections import Counter
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from corpora import AESOP, ALPHABET, Alphabet, DataError, load_text
from corpora.text import cut

texts = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=200)


def clean(text: str) -> str:
    return unicodedata.normalize("NFC", text.replace("\r\n", "\n").replace("\r", "\n"))


@given(texts)
def test_the_alphabet_of_a_text_keeps_it_whole_if_nothing_is_rare(text):
    alphabet = Alphabet.of(text, rare=0)
    assert alphabet.symbols == tuple(sorted(set(clean(text))))
    assert alphabet.normalise(text) == (clean(text), Counter())
    codes = alphabet.encode(clean(text))
    assert codes.dtype == torch.int64
    assert [alphabet.symbols[code] for code in codes.tolist()] == list(clean(text))
    assert alphabet.decode(codes) == clean(text)


@given(texts, texts)
def test_every_text_can_be_written_in_every_alphabet(mine, other):
    alphabet = Alphabet.of(mine, rare=0.1)
    normal, lost = alphabet.normalise(other)
    assert alphabet.decode(alphabet.encode(normal)) == normal
    kept = [c for c in clean(other) if c in alphabet.symbols]
    assert lost == Counter(clean(other)) - Counter(kept)
    if alphabet.unknown:
        assert len(normal) == len(clean(other))
        assert normal.count("\ufffd") == lost.total() + clean(other).count("\ufffd")
    else:
        assert list(normal) == kept


@given(texts)
def test_an_alphabet_is_known_by_its_symbols(text):
    alphabet = Alphabet.of(text, rare=0.1)
    assert Alphabet.of_symbols(json.loads(json.dumps(alphabet.symbols))) == alphabet
    assert Alphabet.of_symbols(list(ALPHABET)) == AESOP
    assert len(AESOP) == 30


def test_symbols_below_the_share_become_one():
    text = "a" * 98 + "bc"
    assert Alphabet.of(text, rare=0.01).symbols == ("a", "b", "c")
    rare = Alphabet.of(text, rare=0.011)
    assert (rare.symbols, rare.unknown) == (("a", "\ufffd"), "\ufffd")
    assert rare.normalise("abba d") == ("a\ufffd\ufffda\ufffd\ufffd", Counter({"b": 2, " ": 1, "d": 1}))
    assert Alphabet.of("ab" * 9999 + "c").symbols == ("a", "b", "\ufffd")  # one in 19,999
    assert Alphabet.of("a" * 9999 + "c").symbols == ("a", "c")  # exactly 1 in 10,000


def test_case_digits_umlauts_and_ends_of_lines_are_kept():
    alphabet = Alphabet.of("U\u0308ber 3\r\nA\rB")
    assert alphabet.symbols == ("\n", " ", "3", "A", "B", "b", "e", "r", "Ü")
    assert alphabet.normalise("U\u0308\r\nA\r")[0] == "Ü\nA\n"
    assert alphabet.decode(alphabet.encode("A\n\n")) == "A\n\n"


@pytest.mark.parametrize(
    ("content", "symbols"),
    [
        ("zebra\n", "zebra"),
        ("zebra", "zebra"),
        ("\ufeffba\r\nab \r\n", "ba\n "),
        ("a\n\n", "a\n"),
        ("e\u0301A", "éA"),
        ("ab\ufffd", "ab\ufffd"),
    ],
)
def test_a_file_gives_its_symbols_in_order(content, symbols, tmp_path):
    file = tmp_path / "symbols.txt"
    file.write_bytes(content.encode())
    alphabet = Alphabet.from_file(file)
    assert alphabet.symbols == tuple(symbols)
    assert alphabet.unknown == ("\ufffd" if "\ufffd" in symbols else None)


@pytest.mark.parametrize("content", [b"", b"\n", b"\xff\xfe"])
def test_a_file_without_symbols_is_one_line(content, tmp_path):
    (tmp_path / "symbols.txt").write_bytes(content)
    with pytest.raises(DataError, match=r"symbols.txt: expected .* found .*: ") as error:
        Alphabet.from_file(tmp_path / "symbols.txt")
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("symbols", [(), ("a", "a"), ("ab",), ("",)])
def test_symbols_are_different_single_characters(symbols):
    with pytest.raises(DataError, match="different single characters, found"):
        Alphabet(symbols)
    with pytest.raises(DataError, match=r"unknown symbol among the symbols, found '\?'"):
        Alphabet(("a", "b"), "?")


def test_what_is_not_in_the_alphabet_has_no_code():
    with pytest.raises(DataError, match=r"the 2 symbols of the alphabet, found '\\n', 'c': normalise"):
        Alphabet(("a", "b")).encode("abc\n")


@pytest.fixture
def book(tmp_path) -> Path:
    """A text of 120 different strings with upper case, digits, ends of lines, and one rare symbol."""
    file = tmp_path / "book.txt"
    letters = string.ascii_lowercase
    lines = [f"Line {i:03}: Größe {letters[i % 26]}{letters[i // 26]}\n" for i in range(120)]
    file.write_text("".join(line.rjust(100, "-") for line in lines) + "~")
    return file


def test_a_text_in_its_own_symbols(book):
    corpus = load_text(book, alphabet="auto")
    assert corpus.alphabet.symbols == corpus.description.classes
    assert set("LG09öß\n:-\ufffd") <= set(corpus.alphabet.symbols)
    assert corpus.deleted == Counter("~")
    assert [len(p) for p in (corpus.train, corpus.validation, corpus.test)] == [80, 20, 20]
    original = book.read_text()
    for part in (corpus.train, corpus.validation, corpus.test):
        for row in part:
            assert original.index(corpus.alphabet.decode(row)) % 100 == 0
    again = load_text(str(book), alphabet=Alphabet.of_symbols(corpus.description.classes))
    assert torch.equal(again.test, corpus.test)


def test_a_text_in_the_symbols_of_a_file(book, tmp_path):
    symbols = tmp_path / "symbols.txt"
    symbols.write_text(string.printable.strip() + " \n\n")
    corpus = load_text(book, alphabet=str(symbols))
    assert corpus.alphabet.unknown is None
    assert corpus.deleted == Counter({"ö": 120, "ß": 120})
    with pytest.raises(
        DataError, match="expected aesop, auto or a text file with the symbols, found 'nowhere'"
    ):
        load_text(book, alphabet="nowhere")


def test_the_checksum_tells_alphabets_apart(book):
    by = {choice: load_text(book, alphabet=choice) for choice in ("aesop", "auto")}
    auto = by["auto"].alphabet
    turned = Alphabet.of_symbols(reversed(auto.symbols))
    renamed = Alphabet.of_symbols([s.replace("G", "é") for s in auto.symbols])
    sums = {load_text(book, alphabet=choice).sha256 for choice in ("aesop", auto, turned, renamed)}
    assert len(sums) == 4
    same_codes = dataclasses.replace(by["auto"], alphabet=renamed)
    assert same_codes.sha256 != by["auto"].sha256
    assert load_text(book).sha256 == by["aesop"].sha256 == load_text(book, alphabet=AESOP).sha256


def test_the_checksum_of_thirty_symbols_is_of_the_bytes_alone():
    """Stored runs record these values."""
    assert load_text("fables").sha256 == "93853469cfc487fb417fd1072706a5162b2136070b35908721a090e95038fcf3"


def test_more_symbols_than_a_byte_holds():
    text = "".join(chr(0x4E00 + i % 700) for i in range(700 * 9)) + "一"
    alphabet = Alphabet.of(text)
    assert len(alphabet) == 700
    strings, lost = cut(text, "x", 10, alphabet)
    assert (strings.shape, strings.max().item(), lost) == ((63, 100), 699, Counter())


def test_what_a_user_is_told_before_training(book):
    own, aesop = load_text(book, alphabet="auto").about(), load_text(book).about()
    assert own.splitlines()[0].startswith("45 symbols: \\n space - 0 1 2 3")
    assert "replaced by �: 1 characters outside the alphabet: '~' × 1" in own
    assert own.splitlines()[2] == "strings of 100: 80 to train, 20 to validate, 20 to test"
    assert aesop.splitlines()[0] == "30 symbols: a-z, space, comma, semicolon and full stop"
    assert "deleted: " in aesop
    assert " and 5 others" in aesop  # ten are named
    assert load_text("fables").about().splitlines()[1] == "every character of the text is kept"

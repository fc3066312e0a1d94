"""Words and their numbers: the same plain words from a corpus and from a recogniser."""

import re
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.errors import M3erError
from edge.perceive.tokens import OUT_OF_VOCABULARY, PAD, TOKENS, Vocabulary, words_of

LETTERS = st.text("abmyz", min_size=1, max_size=4)
PLAIN = st.one_of(LETTERS, st.tuples(LETTERS, LETTERS).map("'".join))
TEXT = st.one_of(st.text(), st.text("aAzZéİ'’ .,!0-9\n\t😀"), st.lists(PLAIN).map(" ".join))


@given(TEXT)
def test_words_are_plain_whatever_the_text(text: str) -> None:
    for word in words_of(text):
        assert re.fullmatch(r"[a-z]+('[a-z]+)*", word)


@given(TEXT)
def test_words_of_words_are_the_same_words(text: str) -> None:
    once = words_of(text)
    assert words_of(" ".join(once)) == once


@given(st.lists(PLAIN))
def test_plain_words_pass_unchanged_as_a_recogniser_writes_them(words: list[str]) -> None:
    assert words_of(" ".join(words)) == words
    assert words_of(" ".join(words).upper()) == words


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Don’t PANIC!", ["don't", "panic"]),
        ("'quoted' rock 'n' roll", ["quoted", "rock", "n", "roll"]),
        ("it's 11 o'clock :-) :P", ["it's", "o'clock", "p"]),
        ("well-known... don''t", ["well", "known", "don", "t"]),
        ("123 !?", []),
        ("", []),
    ],
)
def test_punctuation_goes_and_apostrophes_inside_words_stay(text: str, words: list[str]) -> None:
    assert words_of(text) == words


@given(known=st.lists(PLAIN, unique=True, max_size=20), data=st.data())
def test_tokens_are_the_numbers_of_the_last_words_padded_behind(known: list[str], data: st.DataObject) -> None:
    vocabulary = Vocabulary.of_words(known)
    said = data.draw(st.lists(st.one_of(PLAIN, st.sampled_from(known or ["x"])), max_size=TOKENS + 10))
    tokens = vocabulary.encode(said)
    assert tokens.shape == (1, TOKENS) and tokens.dtype == np.int32
    kept = said[max(0, len(said) - TOKENS) :]
    for number, word in zip(tokens[0], kept, strict=False):
        assert number == (vocabulary.words.index(word) if word in known else OUT_OF_VOCABULARY)
    assert (tokens[0, len(kept) :] == PAD).all()


def test_of_a_long_utterance_the_last_words_are_kept_in_order() -> None:
    words = [f"w{'x' * k}" for k in range(TOKENS + 3)]
    tokens = Vocabulary.of_words(words).encode(words)
    np.testing.assert_array_equal(tokens[0], np.arange(TOKENS) + 2 + 3)


def test_words_that_stand_for_nothing_are_not_taken_for_the_special_entries() -> None:
    assert not set(words_of("<pad> <unk>")) & {"<pad>", "<unk>"}


@given(words=st.lists(PLAIN, unique=True, max_size=50))
def test_a_vocabulary_comes_back_from_its_file(tmp_path_factory: pytest.TempPathFactory, words: list[str]) -> None:
    path = tmp_path_factory.getbasetemp() / "tokens.txt"
    written = Vocabulary.of_words(words)
    written.write(path)
    back = Vocabulary.read(path)
    assert back.words == written.words == ("<pad>", "<unk>", *words)
    assert len(back) == len(words) + 2
    np.testing.assert_array_equal(back.encode(words), written.encode(words))


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\n",
        b"hello\nrobot\n",
        b"<pad>\n",
        b"<unk>\n<pad>\nhello\n",
        b"<pad> \n<unk>\nhello\n",
        b"<pad>\n<unk>\nhello\nrobot\nhello\n",
        b"<pad>\n<unk>\n<pad>\n",
        b"<pad>\n<unk>\n\n\n",
        b"<pad>\n<unk>\n\xff\xfe\n",
    ],
)
def test_a_malformed_vocabulary_file_is_refused_by_name(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "tokens.txt"
    path.write_bytes(content)
    with pytest.raises(M3erError, match=re.escape(str(path))):
        Vocabulary.read(path)

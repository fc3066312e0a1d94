"""Utterances of eight text corpora: as words that a speech recogniser would write, and with the marks they carry."""

import re
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edge.errors import M3erError
from edge.perceive.tokens import Vocabulary, words_of
from export.corpora.emotions import EMOTIONS
from export.corpora.table import read_table

CONVERSATIONS = {"MELD", "EmoryNLP", "DailyDialog"}
"""What people say to each other; the rest was typed."""

_SPLITS = {"train": "train", "all": "train", "dev": "validation", "val": "validation", "test": "test"}
VOCABULARY_WORDS = 10_000
_OF_CONVERSATIONS = 6_000
"""So many of the vocabulary's words are the commonest of what people say to each other; the rest are of all texts."""
_MARKED = re.compile(r"[a-z]+(?:'[a-z]+)*|\.{2,}|[!?.,]")
MATCHING_SHARE = 0.08
"""Part of the training texts kept from the encoder, as with faces and speakers."""


@dataclass(frozen=True)
class Utterance:
    """What somebody said: its words, its emotion (one of EMOTIONS) and where it comes from.

    Attributes:
        marked: the words with the marks between them, as the corpus has them: ``oh``, ``,``, ``no``, ``!``.
    """

    words: tuple[str, ...]
    marked: tuple[str, ...]
    emotion: str
    dataset: str


def read_utterances(folder: Path, seed: int) -> dict[str, list[Utterance]]:
    """Splits ``train``, ``matching`` (out of train), ``validation``, ``test``; a text stands on one side only.

    Args:
        folder: holds ``text.csv.gz``.
        seed: decides which texts go to ``matching``.
    """
    rows = read_table(folder / "text.csv.gz", ["text", "emotion7", "dataset", "split"])
    splits: dict[str, list[Utterance]] = {"test": [], "validation": [], "train": []}
    seen: dict[tuple[str, ...], str] = {}
    for split in splits:  # in this order: a text that a later split repeats is dropped there
        for row in rows:
            if _SPLITS.get(row["split"]) != split or not row["emotion7"]:
                continue
            words = tuple(words_of(row["text"]))
            if not words or seen.setdefault(words, split) != split:
                continue
            if row["emotion7"] not in EMOTIONS:
                raise M3erError(f"{folder / 'text.csv.gz'}: unknown emotion {row['emotion7']!r}")
            splits[split].append(Utterance(words, marked_words(row["text"]), row["emotion7"], row["dataset"]))
    distinct = sorted({utterance.words for utterance in splits["train"]})
    kept_back = np.random.default_rng(seed).random(len(distinct)) < MATCHING_SHARE
    matching = {words for words, back in zip(distinct, kept_back, strict=True) if back}
    return {
        **splits,
        "train": [u for u in splits["train"] if u.words not in matching],
        "matching": [u for u in splits["train"] if u.words in matching],
    }


def marked_words(text: str) -> tuple[str, ...]:
    """The words of :func:`words_of` with ``. , ! ?`` and ``...`` between them, each a word of its own."""
    found = _MARKED.findall(text.lower().replace("’", "'"))
    return tuple("..." if word.startswith("..") else word for word in found)


def make_vocabulary(utterances: list[Utterance], always: set[str]) -> Vocabulary:
    """The commonest words of these utterances, and `always` (the words of the speech recogniser shipped)."""
    counts = Counter(word for utterance in utterances for word in utterance.marked)
    said = Counter(word for u in utterances if u.dataset in CONVERSATIONS for word in u.marked)
    common = dict.fromkeys(word for word, count in said.most_common(_OF_CONVERSATIONS) if count > 1)
    for word, _ in counts.most_common():
        if len(common) >= VOCABULARY_WORDS:
            break
        common[word] = None
    return Vocabulary.of_words([*common, *sorted(always - set(common))])


def read_glove(folder: Path) -> dict[str, NDArray[np.float32]]:
    """GloVe vectors, 50 floats a word. Raises M3erError if the file is missing."""
    path = folder / "glove6B_50d_5k.npz"
    try:
        with np.load(path, allow_pickle=False) as stored:
            return dict(zip(stored["words"].tolist(), stored["vec"].astype(np.float32), strict=True))
    except (OSError, ValueError, KeyError) as error:
        raise M3erError(f"{path}: cannot be read ({error})") from None

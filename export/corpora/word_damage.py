"""What ruins a transcript: wrong words."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from edge.perceive.tokens import OUT_OF_VOCABULARY, PAD, Vocabulary
from export.corpora.text_examples import tokens_of
from export.corpora.utterances import CONVERSATIONS, Utterance
from export.nets.damage_training import DamageExamples

_ACTIONS = ("replace", "drop", "insert")
_SHARES = (0.7, 0.2, 0.1)
"""Of a recogniser's errors, most are substitutions."""


def word_errors(words: Sequence[str], rate: float, pool: Sequence[str], rng: np.random.Generator) -> list[str]:
    """The words with about `rate` of them wrong: replaced, dropped, or one inserted behind them.

    Args:
        pool: words that come instead, as often as they stand here.
    """
    out: list[str] = []
    for word in words:
        if rng.random() >= rate:
            out.append(word)
            continue
        action = rng.choice(_ACTIONS, p=_SHARES)
        if action == "insert":
            out.append(word)
        if action != "drop":
            out.append(pool[int(rng.integers(len(pool)))])
    return out or [pool[int(rng.integers(len(pool)))]]


def text_damage_examples(utterances: list[Utterance], vocabulary: Vocabulary) -> DamageExamples:
    """Sound: words as a good recogniser writes them. Ruined: 30 to 80 % of them are others' words, some are lost."""
    said = [u for u in utterances if u.dataset in CONVERSATIONS]
    plain = tokens_of(said, vocabulary, marks=False)
    pool = plain[plain != PAD]

    def sound(numbers: NDArray[np.int64], rng: np.random.Generator) -> NDArray[np.int32]:
        batch = plain[numbers]
        missed = (rng.random(batch.shape) < 0.05) & (batch != PAD)
        return np.where(missed, OUT_OF_VOCABULARY, batch).astype(np.int32)

    def spoilt(numbers: NDArray[np.int64], rng: np.random.Generator) -> NDArray[np.int32]:
        batch = plain[numbers]
        wrong = (rng.random(batch.shape) < rng.uniform(0.3, 0.8, (len(numbers), 1))) & (batch != PAD)
        batch = np.where(wrong, rng.choice(pool, batch.shape), batch).astype(np.int32)
        return np.stack([_some_lost(row, rng) if rng.random() < 0.5 else row for row in batch])

    return DamageExamples(sound, spoilt, len(said))


def _some_lost(tokens: NDArray[np.int32], rng: np.random.Generator) -> NDArray[np.int32]:
    """The tokens (words,) without about one in seven; at least one stays."""
    words = tokens[tokens != PAD]
    left = words[rng.random(len(words)) < 0.85]
    if not len(left):
        return tokens
    out = np.full_like(tokens, PAD)
    out[: len(left)] = left
    return out

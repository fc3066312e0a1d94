"""Utterances as an encoder's training examples, disturbed as a speech recogniser garbles them."""

from collections import Counter

import numpy as np
from numpy.typing import NDArray

from edge.perceive.tokens import OUT_OF_VOCABULARY, PAD, Vocabulary
from export.corpora.emotions import EMOTIONS
from export.corpora.utterances import CONVERSATIONS, Utterance
from export.nets.encoder_training import Examples, Target

_CLASS_POWER = 0.5
_TYPED_WEIGHT = 0.5
"""Weight of what was typed (tweets, comments) against what people said to each other."""
_UNMARKED_SHARE = 0.4
"""Part of the training texts read without marks, as a recogniser writes them."""
_RUINED_SHARE = 0.12
_REPORTED = "MELD"


def text_examples(utterances: list[Utterance], vocabulary: Vocabulary) -> Examples:
    """One head a corpus, one-hot labels; weights lift rare emotions and spoken corpora.

    A head of its own lets each corpus have its own share of neutral, and the encoder be common to all.
    """
    marked = tokens_of(utterances, vocabulary, marks=True)
    plain = tokens_of(utterances, vocabulary, marks=False)
    pool = marked[marked != PAD]
    counts = Counter((u.dataset, u.emotion) for u in utterances)
    sizes = Counter(u.dataset for u in utterances)
    labels = np.eye(len(EMOTIONS), dtype=np.float32)[[EMOTIONS.index(u.emotion) for u in utterances]]
    share = np.array([counts[u.dataset, u.emotion] / sizes[u.dataset] for u in utterances])
    importance = np.array([1.0 if u.dataset in CONVERSATIONS else _TYPED_WEIGHT for u in utterances])
    weights = importance * (1.0 / share) ** _CLASS_POWER
    weights = (weights / weights.mean()).astype(np.float32)

    def make_inputs(
        numbers: NDArray[np.int64], rng: np.random.Generator | None
    ) -> tuple[NDArray[np.int32], NDArray[np.bool_]]:
        batch, ruin = marked[numbers], np.zeros(len(numbers), np.bool_)
        if rng is not None:
            unmarked = rng.random(len(numbers)) < _UNMARKED_SHARE
            batch = np.where(unmarked[:, None], plain[numbers], batch)
            # a recogniser misses some words and writes [unk] for others; ruined, it writes others' words
            ruin = rng.random(len(numbers)) < _RUINED_SHARE
            rate = np.where(ruin, rng.uniform(0.4, 0.9, len(numbers)), 0.1)
            wrong = (rng.random(batch.shape) < rate[:, None]) & (batch != PAD)
            instead = np.where(ruin[:, None], rng.choice(pool, batch.shape), OUT_OF_VOCABULARY)
            batch = np.where(wrong, instead, batch).astype(np.int32)
        return batch, ruin

    corpora = sorted(sizes, key=lambda name: (name != _REPORTED, name))
    of = np.array([u.dataset for u in utterances])
    targets = {name: Target(labels, np.where(of == name, weights, 0).astype(np.float32)) for name in corpora}
    return Examples(make_inputs, targets)


def tokens_of(utterances: list[Utterance], vocabulary: Vocabulary, marks: bool) -> NDArray[np.int32]:
    """Encoder inputs, int32 (n, 32); with the marks between the words or, as a recogniser would write, without."""
    return np.concatenate([vocabulary.encode(u.marked if marks else u.words) for u in utterances])

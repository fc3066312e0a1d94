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
_REPORTED = "MELD"


def text_examples(utterances: list[Utterance], vocabulary: Vocabulary) -> Examples:
    """One head a corpus, one-hot labels; weights lift rare emotions and spoken corpora.

    A head of its own lets each corpus have its own share of neutral, and the encoder be common to all.
    """
    marked = tokens_of(utterances, vocabulary, marks=True)
    plain = tokens_of(utterances, vocabulary, marks=False)
    counts = Counter((u.dataset, u.emotion) for u in utterances)
    sizes = Counter(u.dataset for u in utterances)
    labels = np.eye(len(EMOTIONS), dtype=np.float32)[[EMOTIONS.index(u.emotion) for u in utterances]]
    share = np.array([counts[u.dataset, u.emotion] / sizes[u.dataset] for u in utterances])
    importance = np.array([1.0 if u.dataset in CONVERSATIONS else _TYPED_WEIGHT for u in utterances])
    weights = importance * (1.0 / share) ** _CLASS_POWER
    weights = (weights / weights.mean()).astype(np.float32)

    def make_inputs(numbers: NDArray[np.int64], rng: np.random.Generator | None) -> NDArray[np.int32]:
        if rng is None:
            return marked[numbers]
        batch = read(numbers, rng)
        missed = (rng.random(batch.shape) < 0.1) & (batch != PAD)  # a recogniser writes [unk] for some words
        return np.where(missed, OUT_OF_VOCABULARY, batch).astype(np.int32)

    def read(numbers: NDArray[np.int64], rng: np.random.Generator) -> NDArray[np.int32]:
        unmarked = rng.random(len(numbers)) < _UNMARKED_SHARE
        return np.where(unmarked[:, None], plain[numbers], marked[numbers])

    corpora = sorted(sizes, key=lambda name: (name != _REPORTED, name))
    of = np.array([u.dataset for u in utterances])
    targets = {name: Target(labels, np.where(of == name, weights, 0).astype(np.float32)) for name in corpora}
    return Examples(make_inputs, targets)


def tokens_of(utterances: list[Utterance], vocabulary: Vocabulary, marks: bool) -> NDArray[np.int32]:
    """Encoder inputs, int32 (n, 32); with the marks between the words or, as a recogniser would write, without."""
    return np.concatenate([vocabulary.encode(u.marked if marks else u.words) for u in utterances])

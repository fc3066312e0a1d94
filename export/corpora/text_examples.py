"""Utterances as an encoder's training examples, disturbed as a speech recogniser garbles them."""

from collections import Counter

import numpy as np
from numpy.typing import NDArray

from edge.perceive.tokens import OUT_OF_VOCABULARY, PAD, Vocabulary
from export.corpora.emotions import EMOTIONS
from export.corpora.utterances import CONVERSATIONS, Utterance
from export.nets.encoder_training import Examples

_CLASS_POWER = 0.4
_TYPED_WEIGHT = 0.5
"""Weight of what was typed (tweets, comments) against what people said to each other."""


def text_examples(utterances: list[Utterance], vocabulary: Vocabulary) -> Examples:
    """One-hot labels; weights lift rare emotions and spoken corpora."""
    tokens = tokens_of(utterances, vocabulary)
    labels = np.eye(len(EMOTIONS), dtype=np.float32)[[EMOTIONS.index(u.emotion) for u in utterances]]
    spoken = np.array([u.dataset in CONVERSATIONS for u in utterances])
    weights = np.where(spoken, 1.0, _TYPED_WEIGHT)
    counts = Counter((u.dataset, u.emotion) for u in utterances)
    sizes = Counter(u.dataset for u in utterances)
    share = np.array([counts[u.dataset, u.emotion] / sizes[u.dataset] for u in utterances])
    weights = weights * (1.0 / share) ** _CLASS_POWER

    def make_inputs(numbers: NDArray[np.int64], rng: np.random.Generator | None) -> NDArray[np.int32]:
        batch = tokens[numbers]
        if rng is not None:  # a recogniser misses some words and writes [unk] for others
            lost = (rng.random(batch.shape) < 0.1) & (batch != PAD)
            batch = np.where(lost, OUT_OF_VOCABULARY, batch).astype(np.int32)
        return batch

    return Examples(make_inputs, labels, (weights / weights.mean()).astype(np.float32))


def tokens_of(utterances: list[Utterance], vocabulary: Vocabulary) -> NDArray[np.int32]:
    """Encoder inputs, int32 (n, 32)."""
    return np.concatenate([vocabulary.encode(utterance.words) for utterance in utterances])

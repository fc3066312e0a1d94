"""Who is taken for whom, as the report draws it."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from export.evaluate.bootstrap import confusion
from export.evaluate.evaluation import Confusion


def confusion_of(
    title: str, split: str, labels: Sequence[str], truth: NDArray[np.int64], guess: NDArray[np.int64]
) -> Confusion:
    """Of answers (n,), numbers into `labels`; only labels that occur in the truth or in an answer."""
    counts = confusion(truth, guess, len(labels))
    there = np.flatnonzero(counts.sum(axis=0) + counts.sum(axis=1))
    return Confusion(
        title=title,
        split=split,
        labels=[labels[k] for k in there.tolist()],
        counts=counts[np.ix_(there, there)].tolist(),
    )

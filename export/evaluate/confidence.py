"""Is a confidence what it says: reliability before and after temperature scaling, and accuracy against coverage."""

import numpy as np
from numpy.typing import NDArray

from export.evaluate.evaluation import ChosenPoint, Coverage, Reliability, ReliabilityBin
from export.evaluate.scores import calibration_error

Array = NDArray[np.float32]

_BINS = 10
_POINTS = 50


def reliability(title: str, before: Array, after: Array, truth: NDArray[np.int64]) -> Reliability:
    """Of probabilities (n, classes) before and after scaling; the bins are of those after."""
    confidence, right = after.max(axis=1), after.argmax(axis=1) == truth
    number = np.minimum((confidence * _BINS).astype(int), _BINS - 1)
    return Reliability(
        title=title,
        bins=[
            ReliabilityBin(
                confidence=min(1.0, float(confidence[number == b].mean())),
                accuracy=float(right[number == b].mean()),
                samples=int((number == b).sum()),
            )
            for b in np.unique(number)
        ],
        error_before=calibration_error(before, truth),
        error_after=calibration_error(after, truth),
    )


def coverage(title: str, probabilities: Array, truth: NDArray[np.int64], unknown_below: float) -> Coverage:
    """Accuracy of the answers that are given, against how many are given; and where ``unknown`` is said."""
    confidence, right = probabilities.max(axis=1), probabilities.argmax(axis=1) == truth
    order = np.argsort(-confidence)
    running = np.cumsum(right[order]) / np.arange(1, len(order) + 1)
    at = np.unique(np.linspace(max(1, len(order) // _POINTS), len(order), _POINTS).astype(int)) - 1
    given = confidence >= unknown_below
    chosen = (
        ChosenPoint(coverage=float(given.mean()), accuracy=float(right[given].mean()), threshold=unknown_below)
        if given.any()
        else None
    )
    return Coverage(
        title=title, coverage=((at + 1) / len(order)).tolist(), accuracy=running[at].tolist(), chosen=chosen
    )

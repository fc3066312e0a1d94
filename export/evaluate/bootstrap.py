"""Scores from confusion counts, with intervals by bootstrap over people (or images, or texts)."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Score = Literal["accuracy", "mean recall", "weighted F1"]

_RESAMPLES = 1_000
_COVERED = (0.025, 0.975)


@dataclass(frozen=True)
class Interval:
    """A score and its 95 % interval."""

    value: float
    low: float
    high: float


def confusion(truth: NDArray[np.int64], guess: NDArray[np.int64], classes: int) -> NDArray[np.int64]:
    """Counts (classes, classes): rows are the truth."""
    counts = np.zeros((classes, classes), np.int64)
    np.add.at(counts, (truth, guess), 1)
    return counts


def score(counts: NDArray[np.number], name: Score) -> NDArray[np.float64]:
    """A score of confusion counts (..., classes, classes); classes that do not occur do not count."""
    counts = counts.astype(np.float64)
    right = np.diagonal(counts, axis1=-2, axis2=-1)
    support, guessed = counts.sum(axis=-1), counts.sum(axis=-2)
    total = np.maximum(support.sum(axis=-1), 1e-12)
    if name == "accuracy":
        return np.asarray(right.sum(axis=-1) / total)
    recall = right / np.maximum(support, 1e-12)
    if name == "mean recall":
        occurs = support > 0
        return np.asarray((recall * occurs).sum(axis=-1) / np.maximum(occurs.sum(axis=-1), 1))
    f1 = 2 * right / np.maximum(support + guessed, 1e-12)
    return np.asarray((f1 * support).sum(axis=-1) / total)


def interval(
    truth: NDArray[np.int64],
    guess: NDArray[np.int64],
    classes: int,
    name: Score,
    groups: Sequence[object] | None = None,
    seed: int = 0,
) -> Interval:
    """The score and its interval.

    Args:
        groups: (n,) whose sample each is: whole people are drawn, because a person's samples are not independent.
            None draws single samples.
    """
    kinds, of = (
        (np.arange(len(truth)), np.arange(len(truth)))
        if groups is None
        else np.unique(np.asarray(groups, dtype=str), return_inverse=True)
    )
    rng = np.random.default_rng(seed)
    whole = score(confusion(truth, guess, classes), name)
    if groups is None:  # drawing samples is drawing cells of the confusion
        cells = confusion(truth, guess, classes)
        drawn = rng.multinomial(len(truth), cells.ravel() / len(truth), _RESAMPLES).reshape(-1, classes, classes)
    else:
        each = np.zeros((len(kinds), classes, classes), np.int64)
        np.add.at(each, (of, truth, guess), 1)
        times = rng.multinomial(len(kinds), np.full(len(kinds), 1 / len(kinds)), _RESAMPLES)
        drawn = np.einsum("rg,gij->rij", times, each)
    low, high = np.quantile(score(drawn, name), _COVERED)
    return Interval(float(whole), float(min(low, whole)), float(max(high, whole)))

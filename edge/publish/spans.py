"""Readings as stretches of time: what held from when to when, and which words were new."""

from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from itertools import groupby, pairwise
from typing import Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from edge.errors import M3erError
from edge.reading import Reading

_USUAL_HOP_S = 0.5
_MOST_STEPS = 600  # more cannot be told apart on the width of a screen
# A transcript holds the words of the last few seconds; after a longer silence every word in it is new.
_WORDS_STAY_S = 5.0

T = TypeVar("T", bound=Hashable)
T_co = TypeVar("T_co", bound=Hashable, covariant=True)


@dataclass(frozen=True)
class Span(Generic[T_co]):
    """``value`` held from ``start_s`` to ``end_s``."""

    start_s: float
    end_s: float
    value: T_co


def edges_s(readings: Sequence[Reading]) -> NDArray[np.float64]:
    """When each reading begins to hold, and last when the last one ends: (readings + 1,) seconds.

    A reading holds until the next one; the last for one usual step.

    Raises:
        M3erError: time runs backwards, as in a file that several runs were joined in.
    """
    starts_s = [reading.t for reading in readings]
    for number, (before_s, after_s) in enumerate(pairwise(starts_s), start=2):
        if after_s < before_s:
            raise M3erError(
                f"reading {number} is at {after_s:g} s, before the one ahead of it at {before_s:g} s: "
                "give the readings of one run at a time"
            )
    hops_s = np.diff(starts_s)
    hop_s = float(np.median(hops_s)) if hops_s.size else 0.0
    return np.array([*starts_s, starts_s[-1] + (hop_s or _USUAL_HOP_S)], dtype=np.float64)


def merged(times_s: NDArray[np.float64], values: Iterable[T]) -> list[Span[T]]:
    """Consecutive equal values as one span each; ``times_s`` are the edges around the values."""
    spans: list[Span[T]] = []
    first = 0
    for value, run in groupby(values):
        last = first + sum(1 for _ in run)
        spans.append(Span(float(times_s[first]), float(times_s[last]), value))
        first = last
    return spans


def readings_per_mean(readings: int) -> int:
    """How many neighbours ``averaged`` puts together in a run of so many readings."""
    return -(-readings // _MOST_STEPS)


def averaged(
    times_s: NDArray[np.float64], values: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """A curve with no more steps than can be seen: neighbours of long runs are averaged, NaN left out.

    Args:
        times_s: the edges around the values, (values + 1,).
        values: one per reading, NaN where missing.

    Returns:
        The edges and values that remain; NaN where all of a mean's values are missing.
    """
    starts = np.arange(0, len(values), readings_per_mean(len(values)))
    known = np.isfinite(values)
    counts = np.add.reduceat(known.astype(np.float64), starts)
    sums = np.add.reduceat(np.where(known, values, 0.0), starts)
    means = np.divide(sums, counts, out=np.full(len(starts), np.nan), where=counts > 0)
    return np.append(times_s[starts], times_s[-1]), means


def new_words(readings: Sequence[Reading]) -> list[tuple[float, str]]:
    """The time (s) of each reading that heard something new, with the new words.

    Transcripts of neighbouring readings overlap, and a recogniser changes its mind about the last word: new
    is what the transcript before does not have in the same place.
    """
    heard: list[tuple[float, str]] = []
    before: list[str] = []
    before_s = -np.inf
    for reading in readings:
        words = reading.transcript.split()
        if not words:  # a pause; the same words may come back with the next new one
            continue
        if reading.t - before_s > _WORDS_STAY_S:
            before = []
        changes = SequenceMatcher(None, before, words, autojunk=False).get_opcodes()
        new = [word for tag, _, _, start, end in changes if tag != "equal" for word in words[start:end]]
        if new:
            heard.append((reading.t, " ".join(new)))
        before, before_s = words, reading.t
    return heard

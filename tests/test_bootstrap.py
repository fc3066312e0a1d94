"""Scores from confusion counts, and their intervals."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import accuracy_score, f1_score, recall_score

from export.evaluate.bootstrap import confusion, interval, score

answers = st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4)), min_size=1, max_size=60)


@given(answers)
def test_scores_are_scikit_learns(pairs: list[tuple[int, int]]) -> None:
    truth, guess = (np.array(column) for column in zip(*pairs, strict=True))
    counts = confusion(truth, guess, 5)
    there = np.unique(truth)
    assert score(counts, "accuracy") == pytest.approx(accuracy_score(truth, guess))
    recall = recall_score(truth, guess, labels=there, average="macro", zero_division=0)
    assert score(counts, "mean recall") == pytest.approx(recall)
    assert score(counts, "weighted F1") == pytest.approx(f1_score(truth, guess, average="weighted", zero_division=0))


@given(answers, st.booleans())
def test_the_interval_holds_the_value(pairs: list[tuple[int, int]], by_person: bool) -> None:
    truth, guess = (np.array(column) for column in zip(*pairs, strict=True))
    people = [n % 3 for n in range(len(truth))] if by_person else None
    found = interval(truth, guess, 5, "accuracy", people)
    assert 0.0 <= found.low <= found.value <= found.high <= 1.0


def test_people_who_differ_widen_the_interval() -> None:
    truth = np.zeros(400, np.int64)
    guess = np.repeat([0, 1], 200)  # two people: one always right, one never
    single, by_person = (
        interval(truth, guess, 2, "accuracy"),
        interval(truth, guess, 2, "accuracy", ["a"] * 200 + ["b"] * 200),
    )
    assert single.high - single.low < 0.12
    assert by_person.low == 0.0 and by_person.high == 1.0


def test_the_same_interval_each_time() -> None:
    truth, guess = np.arange(50) % 3, np.arange(50) % 4 % 3
    assert interval(truth, guess, 3, "mean recall") == interval(truth, guess, 3, "mean recall")

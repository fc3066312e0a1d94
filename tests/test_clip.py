"""What is done to clips without their media: splits by speaker, and when each word is heard."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.errors import M3erError
from export.corpora.clip import SHARES, SPLITS, Clip, split_by_speaker
from export.corpora.clip_moments import heard_words


def clip(name: str, speaker: str, split: str = "", emotion: str = "happy") -> Clip:
    return Clip("made", name, speaker, split, emotion, "", Path(name))


@given(
    st.lists(st.sampled_from("abcdefghijklmnopq"), min_size=3).filter(lambda names: len(set(names)) >= 3),
    st.integers(0, 2**32 - 1),
    st.tuples(st.integers(1, 20), st.integers(1, 20), st.integers(1, 20)),
)
def test_nobody_is_in_two_splits_and_none_is_empty(speakers: list[str], seed: int, parts: tuple[int, int, int]) -> None:
    clips = [clip(str(i), speaker) for i, speaker in enumerate(speakers)]
    splits = split_by_speaker(clips, seed, {name: part / sum(parts) for name, part in zip(SPLITS, parts, strict=True)})
    assert tuple(splits) == SPLITS
    assert sorted(int(c.name) for chosen in splits.values() for c in chosen) == list(range(len(clips)))
    people = [{c.speaker for c in chosen} for chosen in splits.values()]
    assert all(people)
    assert sum(map(len, people)) == len(set(speakers))
    assert splits == split_by_speaker(clips, seed, {n: p / sum(parts) for n, p in zip(SPLITS, parts, strict=True)})


def test_shares_are_of_the_speakers_and_the_seed_moves_them() -> None:
    clips = [clip(f"{speaker}-{i}", f"s{speaker}") for speaker in range(20) for i in range(3)]
    sizes = {name: len({c.speaker for c in chosen}) for name, chosen in split_by_speaker(clips, 0).items()}
    assert sizes == {name: round(20 * share) for name, share in SHARES.items()}
    assert len({frozenset(c.speaker for c in split_by_speaker(clips, seed)["test"]) for seed in range(5)}) > 1


def test_the_owners_split_is_kept_even_where_speakers_recur() -> None:
    clips = [clip("a", "Ross", "test"), clip("b", "Ross", "train"), clip("c", "Joey", "validation")]
    chosen = split_by_speaker(clips, 0)
    assert {name: [c.name for c in part] for name, part in chosen.items()} == {
        "train": ["b"],
        "validation": ["c"],
        "test": ["a"],
    }


@pytest.mark.parametrize(
    ("clips", "said"),
    [
        ([], "no clips"),
        ([clip("a", "Ross"), clip("b", "Ross")], r"one speaker only \(Ross\)"),
        ([clip("a", "Ross"), clip("b", "Joey")], "2 speakers only"),
        ([clip("a", "Ross", "train"), clip("b", "Joey")], "1 of 2 clips name a split, b does not"),
        ([clip("a", "Ross", "train"), clip("b", "Joey", "test")], "'validation' is empty"),
        ([clip("a", "Ross", "dev")], "a: unknown split 'dev'"),
    ],
)
def test_what_cannot_be_split_is_said(clips: list[Clip], said: str) -> None:
    with pytest.raises(M3erError, match=said):
        split_by_speaker(clips, 0)


@given(
    st.lists(st.sampled_from(["ah", "oh", "well"]), max_size=40),
    st.lists(st.floats(0.01, 30), min_size=1, max_size=6).map(sorted),
)
def test_words_are_heard_in_order_and_forgotten_in_order(words: list[str], at_s: list[float]) -> None:
    numbered = [f"{word}{'abcdefghij'[i % 10]}{'abcdefghij'[i // 10]}" for i, word in enumerate(words)]
    steps = heard_words(" ".join(numbered).title() + "!", at_s)
    assert len(steps) == len(at_s)
    places = [[numbered.index(word) for word in heard] for heard in steps]
    for heard in places:
        assert heard == list(range(heard[0], heard[0] + len(heard))) if heard else True
    ends = [heard[-1] for heard in places if heard]
    assert ends == sorted(ends)
    assert not words or ends[-1] == len(words) - 1
    if at_s[-1] <= 6.0:
        assert all(heard[0] == 0 for heard in places if heard)

"""What ruins a face, a sound, a transcript: of the right form, the same each time, and worse with severity."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from edge.perceive.log_mel import MEL_BINS
from export.corpora import face_damage, sound_damage, speech_ruin
from export.corpora.recordings import spoken
from export.corpora.word_damage import word_errors
from export.nets.encoder import EMOTION
from export.nets.text import TextEncoder

_GRID = np.hypot(*np.meshgrid(np.arange(48) - 24, np.arange(48) - 22))
FACE = (60 + 140 * np.exp(-((_GRID / 16) ** 2)) + 25 * np.sin(_GRID)).astype(np.uint8)


def _voice() -> NDArray[np.int16]:
    seconds = np.arange(32_000) / 16_000
    rise = 0.5 - 0.5 * np.cos(2 * np.pi * 3 * seconds)
    return (6_000 * rise * sum(np.sin(2 * np.pi * 140 * k * seconds) / k for k in range(1, 12))).astype(np.int16)


@pytest.mark.parametrize("kind", face_damage.KINDS)
def test_a_damaged_face_is_a_face_and_farther_from_it_with_severity(kind: str) -> None:
    spoil = face_damage.KINDS[kind]
    change = []
    for severity in range(3):
        shots = [spoil(FACE, severity, np.random.default_rng(seed)) for seed in range(8)]
        assert all(shot.shape == FACE.shape and shot.dtype == np.uint8 for shot in shots)
        assert (shots[0] == spoil(FACE, severity, np.random.default_rng(0))).all()
        change.append(np.mean([np.abs(shot.astype(float) - FACE).mean() for shot in shots]))
    assert change[0] > 1.0
    if kind != "wrong crop":  # which part of the face it shows matters more there than how small the part is
        assert change[0] < change[2]


@pytest.mark.parametrize("kind", sound_damage.KINDS)
def test_a_damaged_sound_is_a_sound_and_farther_from_it_with_severity(kind: str) -> None:
    sound = _voice()
    others = [np.roll(sound, 1_000 * k) for k in range(8)]
    spoil: Callable[..., NDArray[np.int16]] = sound_damage.KINDS[kind]
    alike = []
    for severity in range(3):
        bad = spoil(sound, severity, np.random.default_rng(1), others)
        assert bad.shape == sound.shape and bad.dtype == np.int16
        assert (bad == spoil(sound, severity, np.random.default_rng(1), others)).all()
        spread = bad.astype(float).std()
        alike.append(0.0 if spread == 0 else abs(np.corrcoef(sound, bad)[0, 1]))
    assert alike[0] > alike[2]


def test_silence_and_single_samples_can_be_damaged() -> None:
    for sound in (np.zeros(4_000, np.int16), np.full(4_000, 32_767, np.int16), np.zeros(1, np.int16)):
        for kind, spoil in sound_damage.KINDS.items():
            if len(sound) > 1 or kind != "fan":
                assert len(spoil(sound, 2, np.random.default_rng(0), [sound])) == len(sound)


@pytest.mark.parametrize("rate", [0.0, 0.2, 0.5, 1.0])
def test_about_the_share_of_words_asked_for_is_wrong(rate: float) -> None:
    words = [f"w{n}" for n in range(2_000)]
    got = word_errors(words, rate, ["x"], np.random.default_rng(0))
    assert len(set(words) - set(got)) / len(words) == pytest.approx(rate * 0.9, abs=0.04)
    assert word_errors([], rate, ["x"], np.random.default_rng(0)) == ["x"]


def test_ruined_frames_keep_their_form_and_hold_no_nan() -> None:
    rng = np.random.default_rng(0)
    frames = rng.normal(10.0, 3.0, (120, MEL_BINS)).astype(np.float32)
    for _ in range(40):
        bad = speech_ruin.ruined(frames, [frames[::-1], frames[:7]], rng)
        assert bad.shape == frames.shape and bad.dtype == np.float32
        assert np.isfinite(bad).all()
        assert not np.array_equal(bad, frames)


def test_ruined_faces_are_faces_and_never_the_picture_itself() -> None:
    rng = np.random.default_rng(0)
    for _ in range(60):
        bad = face_damage.ruined(FACE, rng)
        assert bad.shape == FACE.shape and bad.dtype == np.uint8
        assert np.abs(bad.astype(float) - FACE).mean() > 5.0


def test_speech_is_found_between_the_silence_before_and_behind_it() -> None:
    rng = np.random.default_rng(3)
    quiet, said = rng.normal(6.0, 0.4, (70, MEL_BINS)), rng.normal(11.0, 0.8, (120, MEL_BINS))
    said[50:58] = 6.0  # a short pause inside stays inside
    begin, end = spoken(np.concatenate([quiet, said, quiet[:40]]).astype(np.float16))
    assert 60 <= begin <= 70 and 190 <= end <= 205


@settings(max_examples=60, deadline=None)
@given(frames=st.integers(1, 60), level=st.floats(-15.0, 20.0), spread=st.floats(0.0, 5.0), seed=st.integers(0, 99))
def test_some_part_of_any_recording_counts_as_speech(frames: int, level: float, spread: float, seed: int) -> None:
    made = np.random.default_rng(seed).normal(level, spread, (frames, MEL_BINS)).astype(np.float16)
    begin, end = spoken(made)
    assert 0 <= begin < end <= frames
    assert end - begin >= min(frames, 10)


def test_what_shows_damage_in_a_text_is_the_order_of_its_words_and_nothing_behind_its_end() -> None:
    torch.manual_seed(0)
    encoder = TextEncoder(50).eval()
    said = torch.zeros(3, 32, dtype=torch.int32)
    said[0, :6] = torch.arange(5, 11)
    said[1, :6] = torch.tensor([5, 8, 6, 10, 7, 9])
    with torch.no_grad():
        whole, shuffled, nothing = encoder(said)[:, EMOTION:]
        longer = encoder(torch.nn.functional.pad(said[:1], (0, 8)))[0, EMOTION:]
    assert (whole - shuffled).abs().max() > 1e-4
    assert nothing.isfinite().all()
    torch.testing.assert_close(longer, whole)

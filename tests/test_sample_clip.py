"""The sample clip: the one in the repository is what its truth says, and another can be made."""

import ctypes.util
import json
import sys
from functools import cache
from pathlib import Path

import av
import cv2
import cv2.data
import numpy as np
import pytest
from numpy.typing import NDArray

import edge
from edge.capture.sample import SAMPLE_RATE_HZ
from edge.errors import M3erError
from export.sample_clip import make_clip
from export.sample_truth import Segment, Truth, truth_path

EDGE = Path(edge.__file__).parent
CLIP = EDGE / "samples" / "clip.mp4"
VOSK_MODEL = EDGE / "models" / "vosk-tiny-en"

needs_espeak = pytest.mark.skipif(ctypes.util.find_library("espeak-ng") is None, reason="espeak-ng is not installed")


@cache
def truth() -> Truth:
    return Truth.model_validate_json(truth_path(CLIP).read_text(encoding="utf-8"))


@cache
def frames() -> list[NDArray[np.uint8]]:
    with av.open(str(CLIP)) as container:
        return [frame.to_ndarray(format="bgr24") for frame in container.decode(video=0)]


@cache
def sound() -> NDArray[np.int16]:
    resampler = av.AudioResampler(format="s16", layout="mono", rate=SAMPLE_RATE_HZ)
    with av.open(str(CLIP)) as container:
        parts = [part for frame in container.decode(audio=0) for part in resampler.resample(frame)]
    parts += resampler.resample(None)
    return np.concatenate([part.to_ndarray()[0] for part in parts])


def frame_numbers(segment: Segment) -> range:
    """The segment's frames; of a covered one, those in which the cover has fully come."""
    margin_s = truth().transition_s if segment.face == "covered" else 0.0
    rate_hz = truth().frame_rate_hz
    first, last = segment.start_s + margin_s, segment.end_s - margin_s
    return range(int(np.ceil(first * rate_hz - 0.01)), int(np.ceil(last * rate_hz - 0.01)))


def check_plan(plan: Truth) -> None:
    assert 30 <= plan.duration_s <= 40
    assert plan.segments[0].start_s == 0
    assert plan.segments[-1].end_s == plan.duration_s
    for before, after in zip(plan.segments, plan.segments[1:], strict=False):
        assert before.end_s == after.start_s
    assert {segment.face for segment in plan.segments} == {"good", "covered", "black", "frozen"}
    assert {segment.speech for segment in plan.segments} == {"good", "drowned", "silent"}
    for sentence in plan.sentences:
        assert [word.word for word in sentence.words] == sentence.text.split()
        (around,) = (s for s in plan.segments if s.start_s < sentence.start_s and sentence.end_s < s.end_s)
        assert around.speech == ("good" if sentence.audible else "drowned")
        edges = [edge_s for word in sentence.words for edge_s in (word.start_s, word.end_s)]
        assert edges == sorted(edges)


def test_truth_hangs_together() -> None:
    check_plan(truth())


def test_nobody_pauses_long_outside_the_silence() -> None:
    (silence,) = (segment for segment in truth().segments if segment.speech == "silent")
    for before, after in zip(truth().sentences, truth().sentences[1:], strict=False):
        if not before.end_s <= silence.start_s < after.start_s:
            assert after.start_s - before.end_s < 0.6


def test_clip_is_small_and_decodes_to_the_length_in_its_truth() -> None:
    assert CLIP.stat().st_size < 2_000_000
    assert len(frames()) == truth().frame_count
    assert frames()[0].shape == (truth().height_px, truth().width_px, 3)
    assert sound().size / SAMPLE_RATE_HZ == pytest.approx(truth().duration_s, abs=0.1)


def test_a_failing_camera_repeats_its_picture_and_a_live_one_never_does() -> None:
    for segment in truth().segments:
        numbers = frame_numbers(segment)
        same = [np.array_equal(frames()[number - 1], frames()[number]) for number in numbers[1:]]
        assert all(same) if segment.face in ("black", "frozen") else not any(same)
        assert (segment.face == "black") == (frames()[numbers[0]].max() == 0)


def test_levels_are_what_the_truth_says() -> None:
    rms: dict[str, float] = {}
    for segment in truth().segments:
        first, last = (round(t * SAMPLE_RATE_HZ) for t in (segment.start_s, segment.end_s))
        rms[segment.speech] = float(np.sqrt(np.mean(np.square(sound()[first:last] / 32768.0))))
    assert rms["silent"] < 0.1 * rms["good"] < rms["good"] < 0.5 * rms["drowned"]
    assert np.abs(sound().astype(np.int32)).max() < 32767  # nothing clips


def test_haar_finds_the_good_faces_and_none_behind_the_hand() -> None:
    cascade = cv2.CascadeClassifier(cv2.data.haarcascades + "haarcascade_frontalface_default.xml")
    found: dict[str, list[bool]] = {"good": [], "covered": [], "black": [], "frozen": []}
    for segment in truth().segments:
        for number in frame_numbers(segment)[::10]:
            gray = cv2.cvtColor(frames()[number], cv2.COLOR_BGR2GRAY)
            found[segment.face].append(len(cascade.detectMultiScale(gray, 1.1, 5, minSize=(60, 60))) > 0)
    assert np.mean(found["good"]) >= 0.9
    assert not any(found["covered"]) and not any(found["black"])


def test_vosk_hears_what_is_audible() -> None:
    vosk = pytest.importorskip("vosk")
    vosk.SetLogLevel(-1)
    recogniser = vosk.KaldiRecognizer(vosk.Model(str(VOSK_MODEL)), SAMPLE_RATE_HZ)
    recogniser.SetWords(True)
    results: list[str] = []
    block = SAMPLE_RATE_HZ // 10
    for start in range(0, sound().size, block):
        if recogniser.AcceptWaveform(sound()[start : start + block].tobytes()):
            results.append(recogniser.Result())
    results.append(recogniser.FinalResult())
    heard = [word for result in results for word in json.loads(result).get("result", [])]
    spoken = [word for sentence in truth().sentences if sentence.audible for word in sentence.words]
    hits = [any(word.word == h["word"] and abs(word.start_s - h["start"]) < 0.3 for h in heard) for word in spoken]
    assert np.mean(hits) >= 0.9
    (drowned,) = (segment for segment in truth().segments if segment.speech == "drowned")
    assert sum(drowned.start_s <= h["start"] < drowned.end_s for h in heard) <= 2


@needs_espeak
def test_another_seed_and_voice_make_another_clip(tmp_path: Path) -> None:
    pytest.importorskip("skimage")
    out = tmp_path / "other.mp4"
    other = make_clip(out, seed=2, voice="gmw/en+Andrea")
    assert Truth.model_validate_json(truth_path(out).read_text(encoding="utf-8")) == other
    check_plan(other)
    assert out.stat().st_size < 2_000_000
    assert other.cover != truth().cover
    assert [s.text for s in other.sentences] != [s.text for s in truth().sentences]
    with av.open(str(out)) as container:
        assert container.streams.video[0].frames == other.frame_count


@needs_espeak
def test_an_unknown_voice_is_refused(tmp_path: Path) -> None:
    pytest.importorskip("skimage")
    with pytest.raises(M3erError, match="no voice 'nobody'"):
        make_clip(tmp_path / "clip.mp4", seed=1, voice="nobody")


def test_a_missing_library_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "skimage", None)
    with pytest.raises(M3erError, match="pip install scikit-image"):
        make_clip(tmp_path / "clip.mp4", seed=1, voice="en-us")


def test_missing_espeak_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("skimage")
    monkeypatch.setattr("ctypes.util.find_library", lambda name: str(tmp_path / "libespeak-ng.so.1"))
    with pytest.raises(M3erError, match="apt-get install espeak-ng"):
        make_clip(tmp_path / "clip.mp4", seed=1, voice="en-us")

"""Clips through the device's own perception: what is seen, heard and read at each step, and what is left out."""

import logging
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import edge
from edge.bundle import NetName, open_bundle
from edge.capture.media_file import MediaFile
from edge.capture.sample import Frame
from edge.engines.engine import open_engine
from edge.errors import M3erError
from edge.perceive.face_crop import face_input
from edge.perceive.face_detector import HaarDetector
from edge.perceive.face_perception import FacePerception
from edge.perceive.face_tracker import FaceTracker
from edge.perceive.speech_perception import SpeechPerception
from edge.perceive.tokens import PAD, Vocabulary
from edge.reading import MODALITIES
from export.corpora import clip_moments, clip_perception
from export.corpora.clip import Clip
from export.corpora.clip_moments import Moments, encode_moments, prepare_clips
from export.corpora.vote_matched import STEPS, Encode
from tests.made_readers import SAMPLE, make_talk

PACKAGE = Path(edge.__file__).parent
HOP_NS = 500_000_000
FACE, SPEECH, TEXT = range(3)


def part(name: str, begin_s: float, end_s: float, transcript: str = "", emotion: str = "happy") -> Clip:
    """A part of the sample clip."""
    return Clip("made", name, "Eileen", "", emotion, transcript, SAMPLE, begin_s, end_s)


def whole(path: Path, transcript: str = "", emotion: str = "sad") -> Clip:
    return Clip("made", path.name, "Bob", "", emotion, transcript, path)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_talk(tmp_path_factory.mktemp("media"))


@pytest.fixture(scope="module")
def clips(folder: Path) -> list[Clip]:
    pair = replace(whole(folder / "pair.mp4"), begin_s=0.0, end_s=3.2, sound=folder / "talk.wav")
    return [
        part("good", 2.0, 5.2, "did you see it everything is"),
        whole(folder / "talk.mp4", "Everything is so good!"),
        whole(folder / "broken.mp4"),
        part("covered", 10.0, 13.0, emotion="neutral"),
        whole(folder / "talk.wav", "wonderful"),
        part("quiet", 28.0, 31.0),
        part("short", 2.0, 3.1, "one two three four"),
        whole(folder / "text.mp4"),
        replace(pair, name="left", side="left"),
        replace(pair, name="right", side="right"),
        part("instant", 2.0, 2.15, "now"),
        part("after the end", 90.0, 93.0),
        part("odd", 2.0, 2.9, "one two three four"),
    ]


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="module")
def moments(clips: list[Clip], cache: Path) -> Moments:
    return prepare_clips(clips, cache)


def at(moments: Moments, name: str) -> int:
    return [clip.name for clip in moments.clips].index(name)


# --- perception --------------------------------------------------------------------------------------------------


def test_shapes_and_what_is_absent_is_zeros(moments: Moments) -> None:
    n = len(moments.clips)
    assert moments.faces.shape == (n, STEPS, 48, 48) and moments.faces.dtype == np.uint8
    assert moments.log_mel.shape == (n, STEPS, 300, 48) and moments.log_mel.dtype == np.float16
    assert moments.present.shape == (n, STEPS, len(MODALITIES)) and moments.present.dtype == np.bool_
    assert [len(steps) for steps in moments.words] == [STEPS] * n
    np.testing.assert_array_equal(moments.faces.any(axis=(2, 3)), moments.present[..., FACE])
    np.testing.assert_array_equal(moments.log_mel.any(axis=(2, 3)), moments.present[..., SPEECH])
    assert moments.present[..., TEXT].tolist() == [[bool(words) for words in steps] for steps in moments.words]


def test_a_clip_is_perceived_as_the_device_perceives_it(moments: Moments, folder: Path) -> None:
    face, speech = FacePerception(FaceTracker(HaarDetector())), SpeechPerception()
    row, step = at(moments, "talk.mp4"), 0
    with MediaFile(folder / "talk.mp4") as media:
        for sample in media.samples():
            while step < STEPS and sample.captured_ns > (step + 1) * HOP_NS:
                seen, heard = face.percept((step + 1) * HOP_NS), speech.percept((step + 1) * HOP_NS)
                assert moments.present[row, step, :TEXT].tolist() == [bool(seen.inputs), bool(heard.inputs)]
                if seen.inputs:
                    np.testing.assert_array_equal(face_input(moments.faces[row, step][None]), seen.inputs[-1])
                if heard.inputs:
                    np.testing.assert_array_equal(moments.log_mel[row, step], heard.inputs[0][0, 0].astype(np.float16))
                step += 1
            if isinstance(sample, Frame):
                face.push(sample)
            else:
                speech.push(sample)
    assert step == STEPS
    assert moments.present[row, :, :TEXT].all(), "a smiling person who talks all the time"


def test_a_part_of_a_file_is_what_lies_between(moments: Moments) -> None:
    good = at(moments, "good")
    assert moments.present[good].all()
    covered, quiet = at(moments, "covered"), at(moments, "quiet")
    assert not moments.present[covered, :, FACE].any()
    assert moments.present[covered, :, SPEECH].all()
    assert moments.present[quiet, :, FACE].all()
    assert not moments.present[quiet, :, SPEECH].any()
    assert not moments.present[covered, :, TEXT].any(), "an empty transcript"


def test_a_sound_file_has_no_face(moments: Moments) -> None:
    row = at(moments, "talk.wav")
    assert not moments.present[row, :, FACE].any()
    assert moments.present[row, :, SPEECH].all()


def test_two_people_side_by_side_are_told_apart_and_the_sound_apart_is_heard(moments: Moments) -> None:
    left, right = at(moments, "left"), at(moments, "right")
    assert moments.present[left, :, FACE].all()
    assert not moments.present[right, :, FACE].any()
    assert moments.present[left, :, SPEECH].all() and moments.present[right, :, SPEECH].all()
    np.testing.assert_array_equal(moments.log_mel[left], moments.log_mel[at(moments, "talk.wav")])


def test_the_last_step_of_a_shorter_clip_is_repeated(moments: Moments) -> None:
    short, good = at(moments, "short"), at(moments, "good")
    np.testing.assert_array_equal(moments.faces[short, :2], moments.faces[good, :2])
    for step in range(2, STEPS):
        np.testing.assert_array_equal(moments.faces[short, step], moments.faces[short, 1])
        np.testing.assert_array_equal(moments.log_mel[short, step], moments.log_mel[short, 1])
    assert moments.words[short] == [("one", "two"), *[("one", "two", "three", "four")] * 5]
    odd = at(moments, "odd")
    assert (moments.faces[odd, 0] != moments.faces[odd, 1]).any(), "a last step at the end, when all is said"
    assert moments.words[odd] == [("one", "two"), *[("one", "two", "three", "four")] * 5]
    instant = at(moments, "instant")
    assert moments.present[instant].tolist() == [[True, False, True]] * STEPS, "too short to hear a voice"


def test_words_grow_with_time(moments: Moments) -> None:
    said = ["everything", "is", "so", "good"]
    assert moments.words[at(moments, "talk.mp4")] == [tuple(said[:n]) for n in (0, 1, 2, 2, 3, 4)]


# --- bad input ---------------------------------------------------------------------------------------------------


def test_what_cannot_be_read_is_left_out_and_counted(
    clips: list[Clip], cache: Path, moments: Moments, caplog: pytest.LogCaptureFixture
) -> None:
    bad = ["broken.mp4", "text.mp4", "after the end"]
    assert [clip.name for clip in moments.clips] == [clip.name for clip in clips if clip.name not in bad]
    again = prepare_clips(clips, cache)  # from the cache: it is said again
    assert "3 of 13 clips cannot be read: broken.mp4, text.mp4, after the end" in caplog.text
    np.testing.assert_array_equal(again.log_mel, moments.log_mel)


def test_most_unreadable_or_no_clips_at_all_are_an_error(
    clips: list[Clip], folder: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    bad = [clip for clip in clips if clip.name in ("broken.mp4", "text.mp4")]
    with pytest.raises(M3erError, match=r"2 of 2 clips cannot be read: broken\.mp4, text\.mp4; copy them again"):
        prepare_clips(bad, tmp_path)
    assert "text.mp4: not a readable media file" in caplog.text, "why, for each"
    with pytest.raises(M3erError, match="no clips"):
        prepare_clips([], tmp_path)
    with pytest.raises(M3erError, match=r"text\.mp4: not a YuNet"):
        prepare_clips(bad, tmp_path, face_model=folder / "text.mp4")


def test_a_missing_or_broken_sound_loses_that_clip_alone(folder: Path, tmp_path: Path) -> None:
    good = replace(whole(folder / "pair.mp4"), end_s=0.6, sound=folder / "talk.wav")
    clips = [replace(good, name="gone", sound=folder / "gone.wav"), good]
    assert prepare_clips(clips, tmp_path).clips == [good]


# --- cache -------------------------------------------------------------------------------------------------------


def test_clips_are_decoded_once(
    clips: list[Clip], cache: Path, moments: Moments, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_media(*_: object) -> None:
        raise M3erError("decoded again")

    monkeypatch.setattr(clip_perception, "MediaFile", no_media)
    relabelled = [replace(clip, emotion="fear", transcript="new words") for clip in clips]
    again = prepare_clips(relabelled, cache)
    np.testing.assert_array_equal(again.faces, moments.faces)
    assert again.words[0][-1] == ("new", "words") and again.clips[0].emotion == "fear"
    with pytest.raises(M3erError, match="13 of 13"):  # another part is other content
        prepare_clips([replace(clip, begin_s=0.25) for clip in clips], cache)
    one = [whole(folder / "talk.wav")]
    monkeypatch.undo()
    prepare_clips(one, cache)
    os.utime(folder / "talk.wav", ns=(0, 0))
    monkeypatch.setattr(clip_perception, "MediaFile", no_media)
    with pytest.raises(M3erError, match="1 of 1"):
        prepare_clips(one, cache)


def test_the_clips_of_one_file_stay_together_and_come_back_in_their_order(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[Path] = []

    class Counted(MediaFile):
        def __init__(self, path: Path) -> None:
            opened.append(path)
            super().__init__(path)

    monkeypatch.setattr(clip_perception, "MediaFile", Counted)
    monkeypatch.setattr(clip_moments, "_BATCH_CLIPS", 2)
    clips = [
        replace(whole(folder / f"talk.{end}"), begin_s=b, end_s=b + 0.6)
        for b in (0.0, 1.0, 2.0)
        for end in ("wav", "mp4")
    ]
    moments = prepare_clips(clips, tmp_path)
    assert moments.clips == clips
    assert sorted(path.name for path in opened) == ["talk.mp4", "talk.wav"]
    assert len(list(tmp_path.iterdir())) == 2
    assert moments.present[:, -1, FACE].tolist() == [False, True] * 3


# --- features ----------------------------------------------------------------------------------------------------

VOCABULARY = Vocabulary.of_words(["everything", "is", "so", "good", "one", "two", "three", "four"])


def test_encoders_are_given_what_is_present_and_nothing_else(moments: Moments, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clip_moments, "_BATCH_INPUTS", 7)
    shapes: dict[str, set[tuple[int, ...]]] = {m: set() for m in MODALITIES}
    dtypes: dict[str, str] = {}

    def encoder(name: NetName, dim: int) -> Encode:
        def encode(inputs: NDArray[Any]) -> NDArray[np.float32]:
            assert len(inputs) <= 7
            shapes[name].add(inputs.shape[1:])
            dtypes[name] = inputs.dtype.name
            flat = inputs.reshape(len(inputs), -1).astype(np.float32)
            return np.repeat(np.abs(flat).sum(axis=1, keepdims=True), dim, axis=1)

        return encode

    encode = {"face": encoder("face", 4), "speech": encoder("speech", 5), "text": encoder("text", 6)}
    pairs = encode_moments(moments, encode, VOCABULARY, ("happy", "neutral", "sad"))  # type: ignore[arg-type]
    assert shapes == {"face": {(1, 48, 48)}, "speech": {(1, 300, 48)}, "text": {(32,)}}
    assert dtypes == {"face": "float32", "speech": "float32", "text": "int32"}
    np.testing.assert_array_equal(pairs.present, moments.present)
    for number, m in enumerate(MODALITIES):
        assert pairs.features[m].shape == (len(moments.clips), STEPS, 4 + number)
        assert pairs.features[m].dtype == np.float32
        np.testing.assert_array_equal(pairs.features[m].all(axis=2), pairs.present[..., number])
    row = at(moments, "talk.mp4")
    tokens = VOCABULARY.encode(["everything", "is"])
    assert pairs.features["text"][row, 2, 0] == tokens.sum()
    expected = np.abs(face_input(moments.faces[row, 3][None])).sum()
    np.testing.assert_allclose(pairs.features["face"][row, 3], expected, rtol=1e-5)
    emotions = [("happy", "neutral", "sad")[label] for label in pairs.labels.argmax(axis=1)]
    assert emotions == [clip.emotion for clip in moments.clips]
    assert pairs.labels.dtype == np.float32 and (pairs.labels.sum(axis=1) == 1).all()
    assert set(pairs.datasets.tolist()) == {"made"}


def test_a_modality_that_is_never_present_and_an_emotion_that_is_no_class(folder: Path, tmp_path: Path) -> None:
    moments = prepare_clips([whole(folder / "talk.wav")], tmp_path)
    seen: list[int] = []

    def encode(inputs: NDArray[Any]) -> NDArray[np.float32]:
        seen.append(len(inputs))
        return np.ones((len(inputs), 3), np.float32)

    every_net: dict[NetName, Encode] = {"face": encode, "speech": encode, "text": encode}
    pairs = encode_moments(moments, every_net, VOCABULARY, ["sad"])
    assert not pairs.features["face"].any() and pairs.features["face"].shape == (1, STEPS, 3)
    assert pairs.features["speech"].all()
    with pytest.raises(M3erError, match=r"made, talk\.wav: the emotion 'sad' is none of happy, angry"):
        encode_moments(moments, every_net, VOCABULARY, ["happy", "angry"])


def test_the_shipped_encoders_take_these_inputs(moments: Moments) -> None:
    bundle = open_bundle(PACKAGE / "bundles" / "default")

    def encoder(name: NetName) -> Encode:
        engine, key = open_engine(bundle.path(bundle.net(name))), next(iter(bundle.net(name).inputs))
        return lambda inputs: np.concatenate([engine.run({key: row[None]})["feature"] for row in inputs])

    encode: dict[NetName, Encode] = {"face": encoder("face"), "speech": encoder("speech"), "text": encoder("text")}
    pairs = encode_moments(moments, encode, bundle.vocabulary, bundle.manifest.labels)
    for m in MODALITIES:
        assert pairs.features[m].shape == (len(moments.clips), STEPS, bundle.manifest.dim)
        assert np.isfinite(pairs.features[m]).all()
    assert (bundle.vocabulary.encode(["good"]) != PAD).sum() == 1

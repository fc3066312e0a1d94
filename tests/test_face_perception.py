"""What the face and the speech encoder are handed at a step, and why there is nothing to hand."""

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

import edge
from edge.capture.media_file import MediaFile
from edge.capture.sample import SAMPLE_RATE_HZ, AudioBlock, Frame
from edge.perceive.face_crop import crop_face, face_input
from edge.perceive.face_detector import FaceBox, HaarDetector
from edge.perceive.face_perception import FacePerception
from edge.perceive.face_tracker import FaceTracker
from edge.perceive.log_mel import MEL_BINS, WINDOW_FRAMES, log_mel, speech_input
from edge.perceive.percept import Percept
from edge.perceive.speech_perception import SpeechPerception
from export.sample_truth import Segment, Truth, truth_path

CLIP = Path(edge.__file__).parent / "samples" / "clip.mp4"
TRUTH = Truth.model_validate_json(truth_path(CLIP).read_text(encoding="utf-8"))
FRAME_NS = 100_000_000
HOP_NS = 500_000_000
FRESH_NS = 600_000_000
BLOCK_SAMPLES = SAMPLE_RATE_HZ // 10

Image = NDArray[np.uint8]
Samples = NDArray[np.int16]


class StubDetector:
    """Always the same faces; only for what does not depend on what is seen."""

    name = "stub"

    def __init__(self, *faces: FaceBox) -> None:
        self.faces = list(faces)

    def detect(self, image: Image) -> list[FaceBox]:
        return list(self.faces)


BOX = FaceBox(30.0, 20.0, 60.0, 60.0, 0.9)


def picture(index: int) -> Image:
    """Stripes before flickering light: never dark, covered or frozen."""
    image = np.full((120, 160, 3), 60 + index % 5, np.uint8)
    image[:, ::20] = 200
    image[:, 1::20] = 200
    image[40 + index % 3 : 50, 40:60] = 150
    return image


def stubbed(*faces: FaceBox) -> tuple[FacePerception, StubDetector]:
    detector = StubDetector(*(faces or (BOX,)))
    return FacePerception(FaceTracker(detector)), detector


def push(perception: FacePerception, images: list[Image], start_ns: int = 0) -> int:
    """10 frames/s; returns the last one's stamp."""
    stamps = [start_ns + index * FRAME_NS for index in range(len(images))]
    for at_ns, image in zip(stamps, images, strict=True):
        perception.push(Frame(at_ns, image))
    return stamps[-1]


def assert_absent(percept: Percept, reason: str, captured_ns: int | None) -> None:
    assert percept == Percept((), captured_ns, 0.0, reason)


# --- the face's timing -------------------------------------------------------------------------------------------


def test_no_picture_before_any_frame() -> None:
    perception, _ = stubbed()
    assert_absent(perception.percept(0), "no picture", None)
    assert_absent(perception.percept(10**15), "no picture", None)


@pytest.mark.parametrize("start_ns", [0, 10**15])
def test_a_picture_is_fresh_for_six_tenths_of_a_second(start_ns: int) -> None:
    for late_ns, is_fresh in ((0, True), (FRESH_NS, True), (FRESH_NS + 1, False)):
        perception, _ = stubbed()
        last_ns = push(perception, [picture(0)], start_ns)
        percept = perception.percept(last_ns + late_ns)
        assert percept.captured_ns == last_ns
        assert (percept.reason, len(percept.inputs)) == ((None, 1) if is_fresh else ("no picture", 0))


def test_the_three_newest_crops_are_handed_over_once() -> None:
    perception, _ = stubbed()
    images = [picture(index) for index in range(5)]
    last_ns = push(perception, images)
    percept = perception.percept(last_ns)
    assert [array.shape for array in percept.inputs] == [(1, 1, 48, 48)] * 3
    expected = face_input(np.stack([crop_face(image, BOX) for image in images[-3:]]))
    assert all(array.dtype == np.float32 for array in percept.inputs)
    assert np.abs(np.concatenate(percept.inputs) - expected).max() < 0.6  # the tracker may shift by a pixel
    assert percept.captured_ns == last_ns and percept.quality == 0.9 and percept.reason is None
    # Nothing came since: the same crops are not the news of the next step.
    assert_absent(perception.percept(last_ns + FRAME_NS), "no picture", last_ns)
    perception.push(Frame(last_ns + 2 * FRAME_NS, picture(6)))
    assert len(perception.percept(last_ns + 2 * FRAME_NS).inputs) == 1


def test_the_weakest_crop_says_how_good_the_face_is() -> None:
    perception, detector = stubbed()
    push(perception, [picture(0)])
    detector.faces = [FaceBox(30.0, 20.0, 60.0, 60.0, 0.6)]
    push(perception, [picture(1)], HOP_NS)
    assert perception.percept(HOP_NS).quality == 0.6


def test_crops_go_with_the_face() -> None:
    perception, detector = stubbed()
    push(perception, [picture(index) for index in range(3)])
    detector.faces = []
    perception.push(Frame(3 * FRAME_NS, picture(3)))  # the detector looks every 0.3 s
    assert_absent(perception.percept(3 * FRAME_NS), "no face", 3 * FRAME_NS)
    assert perception.faces == 0


def test_a_face_that_comes_back_within_a_step_brings_its_own_crops_alone() -> None:
    perception, detector = stubbed()
    push(perception, [picture(index) for index in range(3)])
    detector.faces = []
    perception.push(Frame(3 * FRAME_NS, picture(3)))
    detector.faces = [BOX, FaceBox(110.0, 60.0, 20.0, 20.0, 0.8)]
    push(perception, [picture(index) for index in range(4, 8)], 4 * FRAME_NS)
    assert len(perception.percept(7 * FRAME_NS).inputs) == 2  # the detector looked again at 0.6 s
    assert perception.faces == 2


# --- the face itself, with the detector that is always there -------------------------------------------------------


@pytest.fixture(scope="module")
def astronaut() -> Image:
    image: Image = np.ascontiguousarray(pytest.importorskip("skimage.data").astronaut()[:, :, ::-1])
    return image


def live(image: Image, frames: int) -> list[Image]:
    """The picture as a camera gives it: no two frames are the same."""
    rng = np.random.default_rng(5)
    return [(image + rng.normal(0, 2, image.shape)).clip(0, 255).astype(np.uint8) for _ in range(frames)]


def test_a_face_is_handed_over(astronaut: Image) -> None:
    perception = FacePerception(FaceTracker(HaarDetector()))
    last_ns = push(perception, live(astronaut, 5))
    percept = perception.percept(last_ns)
    assert percept.reason is None and len(percept.inputs) == 3 and perception.faces == 1
    assert 0.5 <= percept.quality <= 1
    (box,) = HaarDetector().detect(astronaut)
    expected = face_input(crop_face(astronaut, box)[None])
    for array in percept.inputs:
        assert np.corrcoef(array.ravel(), expected.ravel())[0, 1] > 0.9


@pytest.mark.parametrize("reason", ["no face", "dark", "covered", "frozen"])
def test_why_there_is_no_face(reason: str, astronaut: Image) -> None:
    """Whatever becomes of the picture, the face of a moment ago is gone within a step, and comes back."""
    wall = np.kron(np.indices((8, 8)).sum(axis=0) % 2 * 90 + 60, np.ones((64, 64))).astype(np.uint8)
    becomes: dict[str, list[Image]] = {
        "no face": live(np.repeat(wall[:, :, None], 3, axis=2), 10),
        "dark": live(np.zeros_like(astronaut), 10),
        "covered": live(np.full_like(astronaut, 90), 10),
        "frozen": [astronaut] * 10,
    }
    perception = FacePerception(FaceTracker(HaarDetector()))
    last_ns = push(perception, live(astronaut, 4))
    gone_ns = push(perception, becomes[reason], last_ns + FRAME_NS)
    assert_absent(perception.percept(gone_ns), reason, gone_ns)
    back_ns = push(perception, live(astronaut, 4), gone_ns + FRAME_NS)
    assert perception.percept(back_ns).reason is None


# --- the voice ---------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def sound() -> Samples:
    with MediaFile(CLIP) as media:
        return np.concatenate([sample.samples for sample in media.samples() if isinstance(sample, AudioBlock)])


def part(sound: Samples, start_s: float, seconds: float) -> Samples:
    return sound[round(start_s * SAMPLE_RATE_HZ) :][: round(seconds * SAMPLE_RATE_HZ)]


def listen(perception: SpeechPerception, samples: Samples, start_ns: int = 0) -> int:
    """Blocks of 0.1 s; returns the last one's stamp."""
    at_ns = start_ns
    for first in range(0, len(samples), BLOCK_SAMPLES):
        block = samples[first : first + BLOCK_SAMPLES]
        at_ns += len(block) * 1_000_000_000 // SAMPLE_RATE_HZ
        perception.push(AudioBlock(at_ns, block))
    return at_ns


def test_no_sound_before_any_block() -> None:
    assert_absent(SpeechPerception().percept(10**15), "no sound", None)


@pytest.mark.parametrize("start_ns", [0, 10**15])
def test_sound_is_fresh_for_six_tenths_of_a_second(sound: Samples, start_ns: int) -> None:
    perception = SpeechPerception()
    last_ns = listen(perception, part(sound, 0, 1.0), start_ns)
    assert perception.percept(last_ns + FRESH_NS).reason is None
    assert_absent(perception.percept(last_ns + FRESH_NS + 1), "no sound", last_ns)
    assert perception.percept(last_ns).reason is None  # asking takes nothing away


@pytest.mark.parametrize("seconds", [1.0, 5.0])
def test_the_last_three_seconds_are_handed_over(sound: Samples, seconds: float) -> None:
    perception = SpeechPerception()
    last_ns = listen(perception, part(sound, 0, seconds))
    percept = perception.percept(last_ns)
    (window,) = percept.inputs
    assert window.shape == (1, 1, WINDOW_FRAMES, MEL_BINS) and window.dtype == np.float32
    assert np.allclose(window[0], speech_input(log_mel(part(sound, 0, seconds))), atol=1e-4)  # fed in blocks or whole
    assert percept.captured_ns == last_ns and 0.3 < percept.quality <= 1 and percept.reason is None


def segment(speech: str) -> Segment:
    """The clip's first segment with such speech."""
    return next(segment for segment in TRUTH.segments if segment.speech == speech)


def test_why_there_is_no_speech(sound: Samples) -> None:
    loud = (part(sound, 0, 2.0).astype(np.int32) * 40).clip(-32768, 32767).astype(np.int16)
    cases = {
        "just began": part(sound, 0, 0.2),
        "no signal": np.zeros(2 * SAMPLE_RATE_HZ, np.int16),
        "clipped": loud,
        "silence": part(sound, segment("silent").start_s + 1, 2.0),
        "noise": np.concatenate([part(sound, 0, 3.0), part(sound, segment("drowned").start_s + 0.2, 2.0)]),
    }
    for reason, samples in cases.items():
        perception = SpeechPerception()
        last_ns = listen(perception, samples)
        percept = perception.percept(last_ns)
        assert (percept.inputs, percept.captured_ns, percept.reason) == ((), last_ns, reason)


def test_ruined_sound_does_not_stand_in_the_window_of_what_comes_after(sound: Samples) -> None:
    perception = SpeechPerception()
    last_ns = listen(perception, part(sound, segment("drowned").start_s, 4.0))
    assert perception.percept(last_ns).reason == "noise"
    last_ns = listen(perception, part(sound, segment("drowned").end_s, 1.5), last_ns)
    (window,) = perception.percept(last_ns).inputs
    heard = np.flatnonzero(window[0, 0].max(axis=1) > -1)  # the floor fills what is not known
    assert WINDOW_FRAMES - 170 < heard[0] < WINDOW_FRAMES - 30


def test_a_gap_is_no_speech_that_goes_on(sound: Samples) -> None:
    """A microphone that was away for a while: its old sound does not stand in the window of the new."""
    perception = SpeechPerception()
    last_ns = listen(perception, part(sound, 0, 3.0))
    last_ns = listen(perception, part(sound, 3.0, 0.2), last_ns + 5_000_000_000)
    assert perception.percept(last_ns).reason == "just began"
    last_ns = listen(perception, part(sound, 3.2, 0.8), last_ns)
    (window,) = perception.percept(last_ns).inputs
    assert np.allclose(window[0], speech_input(log_mel(part(sound, 3.0, 1.0))), atol=1e-4)

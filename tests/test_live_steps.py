"""The loop of a live run by itself: its pace under load, its order of work, and what a reading says of it."""

import itertools
import time
from collections.abc import Generator
from contextlib import closing

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from edge.bundle import DEFAULT, Bundle, open_bundle
from edge.capture.media_file import MediaFile
from edge.capture.sample import Frame
from edge.live import LiveDevices, live_steps
from edge.pace import PaceKeeper
from edge.perceive.face_detector import FaceBox, open_detector
from edge.reading import Reading
from edge.runtime import Runtime
from tests.soak.judge import lost_or_repeated, step_rate
from tests.soak.scene import CLIP


@pytest.fixture(scope="module")
def bundle() -> Bundle:
    return open_bundle(DEFAULT)


class _SlowDetector:
    """Finds nothing, and takes its time."""

    name = "slow"
    takes_s = 0.0

    def detect(self, image: NDArray[np.uint8]) -> list[FaceBox]:
        time.sleep(self.takes_s)
        return []


def live(bundle: Bundle, detector: _SlowDetector, devices: LiveDevices) -> Generator[Reading, None, None]:
    runtime = Runtime(bundle, detector, None, began_ns=time.monotonic_ns())
    return live_steps(devices, runtime, PaceKeeper(bundle.manifest.hop_s), lambda: False)


def test_a_run_without_devices_is_on_time(bundle: Bundle) -> None:
    with LiveDevices(None, None, None) as devices:
        readings = list(itertools.islice(live(bundle, _SlowDetector(), devices), 8))
    assert [reading.sequence for reading in readings] == list(range(8))
    for reading in readings:
        assert reading.t == pytest.approx(0.5 * (reading.sequence + 1), abs=0.05)
        assert reading.modalities["face"].reason == "no camera"
        assert reading.modalities["speech"].reason == "no microphone"


def test_overload_slows_the_run_down_and_it_comes_back(bundle: Bundle, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("edge.pace._CALM_S", 1.0)
    detector = _SlowDetector()
    with LiveDevices(str(CLIP), None, None) as devices, closing(live(bundle, detector, devices)) as steps:
        seen = list(itertools.islice(steps, 4))
        detector.takes_s = 0.6
        slow = list(itertools.islice(steps, 8))
        detector.takes_s = 0.0
        back = list(itertools.islice(steps, 16))
    readings = [*seen, *slow, *back]
    paces = [reading.pace for reading in readings if reading.pace is not None]
    assert lost_or_repeated(readings) == 0
    assert seen[-1].pace is not None and seen[-1].pace.slowed_by is None
    rates = [pace.frame_rate_hz for pace in paces]
    assert min(rates) <= 5.0 and any(pace.slowed_by == "overload" for pace in paces)
    assert paces[-1].slowed_by is None and paces[-1].frame_rate_hz == 10.0
    # Steps keep to their grid, at most one detection late, and never catch up in a burst.
    gaps = [b.t - a.t for a, b in itertools.pairwise(readings)]
    assert min(gaps) > 0.1
    assert step_rate(back[-6:]) == pytest.approx(1.0, abs=0.05)


def test_the_reading_says_how_many_faces_there_are_and_the_nearest_is_followed(bundle: Bundle) -> None:
    with MediaFile(CLIP) as clip:
        frame = next(sample for sample in clip.samples() if isinstance(sample, Frame))
    height, width = frame.image.shape[:2]
    small = cv2.resize(frame.image, (width // 2, height // 2), interpolation=cv2.INTER_AREA)
    both = np.full((height, width + width // 2, 3), 90, np.uint8)
    both[:, :width], both[: height // 2, width:] = frame.image, small
    runtime = Runtime(bundle, open_detector(), None)
    noise = np.random.default_rng(0)
    for count, image in ((1, frame.image), (2, both)):
        for number in range(1, 5):
            picture = (image + noise.normal(0, 2, image.shape)).clip(0, 255).astype(np.uint8)
            runtime.take(Frame((10 * count + number) * 100_000_000, picture))
        reading = runtime.step((10 * count + 4) * 100_000_000)
        assert reading.faces == count
        assert reading.modalities["face"].quality is not None
    nothing = runtime.step(10_000_000_000)
    assert nothing.faces == 0 and nothing.modalities["face"].reason == "no picture"

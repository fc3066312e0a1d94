"""Capture workers on real devices: whatever their form, samples come at 16 kHz or as BGR; whatever they do, again."""

import itertools
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from edge.capture.camera import LONGEST_SIDE_PX, FrozenWatch, as_bgr
from edge.capture.capture_worker import capture
from edge.capture.device import DeviceLost
from edge.capture.media_file import MediaFile
from edge.capture.microphone import Microphone, SampleClock
from edge.capture.ring import Ring, RingReader
from edge.capture.sample import SAMPLE_RATE_HZ, AudioBlock, Frame
from edge.supervisor import Supervisor, Worker
from edge.worker import start_worker
from tests.real import alsa_microphone, microphone, rtsp_camera
from tests.real.alsa_microphone import FifoMicrophone
from tests.real.microphone import VirtualMicrophone
from tests.real.mjpeg_camera import MjpegCamera
from tests.real.rtsp_camera import RtspCamera
from tests.soak.scene import CLIP

COMPILER = pytest.mark.skipif(bool(alsa_microphone.missing()), reason=alsa_microphone.missing())
PULSEAUDIO = pytest.mark.skipif(bool(microphone.missing()), reason=microphone.missing())
RTSP = pytest.mark.skipif(bool(rtsp_camera.missing()), reason=rtsp_camera.missing())
Image = NDArray[np.uint8]


@contextmanager
def worker(kind: str, source: str, interval_ns: int = 0) -> Iterator[tuple[Worker, RingReader]]:
    ring = Ring(1280 * 1280 * 3 if kind == "camera" else 8192, 8 if kind == "camera" else 100)
    ring.interval_ns = interval_ns
    settings = {"kind": kind, "source": source}
    started = Worker(kind, lambda: start_worker(kind, "edge.capture.capture_worker", settings, [ring]), ring)
    supervisor = Supervisor([started])
    reader = RingReader(ring)
    supervisor.start()
    try:
        yield started, reader
    finally:
        supervisor.stop()


def until(done: Callable[[], bool], limit_s: float) -> None:
    end_s = time.monotonic() + limit_s
    while not done():
        assert time.monotonic() < end_s, "it did not come to that in time"
        time.sleep(0.02)


@contextmanager
def talking(card: FifoMicrophone, sound: NDArray[np.int16]) -> Iterator[None]:
    stop = threading.Event()

    def talk() -> None:
        while not stop.is_set():
            with suppress(OSError):
                card.write(sound)

    thread = threading.Thread(target=talk, daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join(5)


def heard(reader: RingReader) -> NDArray[np.int16]:
    blocks = [item.data.view(np.int16) for item in reader.new()]
    return np.concatenate(blocks) if blocks else np.empty(0, np.int16)


@COMPILER
@pytest.mark.parametrize(("rate_hz", "channels"), [(16_000, 1), (48_000, 2), (44_100, 1), (48_000, 4)])
def test_a_sound_card_of_any_form_gives_16_khz_mono(
    rate_hz: int, channels: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    tone = (8000 * np.sin(2 * np.pi * 440 * np.arange(rate_hz) / rate_hz)).astype(np.int16)
    with FifoMicrophone(rate_hz, channels) as card:
        for name, value in card.environment.items():
            monkeypatch.setenv(name, value)
        with talking(card, tone), worker("microphone", "default") as (started, reader):
            until(lambda: started.ring.trouble is None, 10)
            time.sleep(0.5)
            heard(reader)
            began_s = time.monotonic()
            time.sleep(2.0)
            sound = heard(reader)
            assert len(sound) / SAMPLE_RATE_HZ == pytest.approx(time.monotonic() - began_s, abs=0.25)
            spectrum = np.abs(np.fft.rfft(sound[:16_000] * np.hanning(16_000)))
            assert abs(int(spectrum.argmax()) - 440) <= 2
            assert np.abs(sound).max() > 4000


@COMPILER
def test_a_card_that_is_pulled_out_and_plugged_in_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """PortAudio's read then never returns, and burns a whole core: only killing the process helps."""
    noise = np.random.default_rng(0).integers(-3000, 3000, 16_000, np.int16)
    with FifoMicrophone() as card:
        for name, value in card.environment.items():
            monkeypatch.setenv(name, value)
        with talking(card, noise), worker("microphone", "default") as (started, reader):
            until(lambda: started.ring.trouble is None, 10)
            card.unplug()
            until(lambda: started.ring.trouble in ("stalled", "not found", "cannot be opened"), 4)
            card.plug_in()
            back_s = time.monotonic()
            until(lambda: started.ring.trouble is None, 8)
            assert time.monotonic() - back_s < 5
            heard(reader)
            until(lambda: len(heard(reader)) > 0, 2)


@PULSEAUDIO
def test_a_microphone_by_a_piece_of_its_name_and_a_name_that_nobody_has(monkeypatch: pytest.MonkeyPatch) -> None:
    with VirtualMicrophone() as card:
        for name, value in card.environment.items():
            monkeypatch.setenv(name, value)
        for source in ("Defau", "0"):
            with worker("microphone", source) as (started, _):
                until(lambda: started.ring.trouble is None, 10)
        with pytest.raises(DeviceLost, match="no microphone is called nobody's; see --list-devices"):
            Microphone("nobody's")


@RTSP
def test_an_rtsp_camera_that_dies_and_comes_back() -> None:
    with MediaFile(CLIP) as clip:
        pictures = [s.image for s, _ in zip(clip.samples(), range(80), strict=False) if isinstance(s, Frame)]
    pictures = [picture[: picture.shape[0] // 2 * 2, : picture.shape[1] // 2 * 2] for picture in pictures]
    with RtspCamera(pictures) as camera, worker("camera", camera.url, 100_000_000) as (started, reader):
        until(lambda: started.ring.trouble is None, 15)
        item = reader.newest(5000)
        assert item is not None and item.shape == pictures[0].shape
        camera.pause()
        until(lambda: started.ring.trouble is not None, 6)
        camera.resume()
        until(lambda: started.ring.trouble is None, 8)
        camera.kill()
        until(lambda: started.ring.trouble == "cannot be opened", 6)
        camera.start()
        until(lambda: started.ring.trouble is None, 8)


def test_pictures_come_as_often_as_they_are_wanted_and_no_more() -> None:
    noise = [np.random.default_rng(n).integers(0, 255, (120, 160, 3), np.uint8) for n in range(5)]
    with MjpegCamera(noise, frame_rate_hz=25) as camera, worker("camera", camera.url, 100_000_000) as (started, _):
        until(lambda: started.ring.trouble is None, 10)
        for interval_ns, rate_hz in ((100_000_000, 10), (333_333_333, 3)):
            started.ring.interval_ns = interval_ns
            time.sleep(0.5)
            before, before_s = started.ring.published, time.monotonic()
            time.sleep(3.0)
            assert (started.ring.published - before) / (time.monotonic() - before_s) == pytest.approx(rate_hz, rel=0.15)


def test_a_film_as_a_camera_has_its_own_pace_and_begins_again() -> None:
    with worker("camera", str(CLIP), 0) as (started, reader):
        until(lambda: started.ring.published > 5, 10)
        first = reader.ring.published
        time.sleep(1.0)
        assert started.ring.published - first < 35


@pytest.mark.parametrize(
    ("source", "reason", "detail"),
    [
        ("7", "not found", "/dev/video7: no such camera; plug it in, or see --list-devices"),
        ("/dev/video77", "not found", "/dev/video77: no such camera"),
        ("nowhere.mp4", "not found", "nowhere.mp4: no such file"),
        ("http://127.0.0.1:9/camera", "cannot be opened", "does not answer, or is no video"),
        ("videotestsrc ! appsink", "cannot be opened", "GStreamer"),
        ("picamera2", "not found", "apt install python3-picamera2"),
    ],
)
def test_a_camera_that_is_not_there_says_what_to_do(source: str, reason: str, detail: str) -> None:
    from edge.capture.camera import open_camera

    with pytest.raises(DeviceLost) as lost:
        open_camera(source, lambda: 0)
    assert lost.value.reason == reason and detail in lost.value.detail


@pytest.mark.parametrize(
    ("picture", "shape"),
    [
        (np.zeros((48, 64), np.uint8), (48, 64, 3)),
        (np.zeros((48, 64, 1), np.uint8), (48, 64, 3)),
        (np.zeros((48, 64, 4), np.uint8), (48, 64, 3)),
        (np.full((48, 64), 40_000, np.uint16), (48, 64, 3)),
        (np.zeros((2160, 3840, 3), np.uint8), (720, 1280, 3)),
    ],
)
def test_a_driver_may_give_any_kind_of_picture(picture: NDArray[np.generic], shape: tuple[int, int, int]) -> None:
    image = as_bgr(picture)
    assert image.shape == shape and image.dtype == np.uint8 and max(shape) <= LONGEST_SIDE_PX
    if picture.dtype == np.uint16:
        assert 150 < image.mean() < 160


def test_a_picture_that_never_changes_is_a_reason_to_open_anew_less_and_less_often() -> None:
    still, now_s, gaps = np.zeros((32, 32, 3), np.uint8), 0.0, []
    for _ in range(5):
        watch, opened_s = FrozenWatch(), now_s
        with suppress(DeviceLost):
            while True:
                watch.look(still, round(now_s * 1e9), "0")
                now_s += 0.1
        gaps.append(now_s - opened_s)
    assert gaps[0] < 6 and all(b >= a for a, b in itertools.pairwise(gaps)) and gaps[-1] > 55
    watch = FrozenWatch()
    for level in range(3):  # it moves: all is forgiven
        watch.look(still + np.uint8(level), round(now_s * 1e9), "0")
    assert FrozenWatch._limit_s == pytest.approx(5.0)


@given(st.lists(st.tuples(st.integers(1, 4000), st.floats(-0.08, 0.08), st.sampled_from([0, 0, 0, 1, 5])), max_size=60))
def test_stamps_of_sound_never_go_back_never_lie_ahead_and_stay_near_the_arrival(
    blocks: list[tuple[int, float, int]],
) -> None:
    clock, arrival_ns, last = SampleClock(), 10_000_000_000, 0
    for samples, jitter_s, pause_s in blocks:
        arrival_ns += round((samples / SAMPLE_RATE_HZ + pause_s) * 1e9)
        now_ns = max(last, arrival_ns + round(jitter_s * 1e9))
        stamp_ns = clock.stamp(samples, now_ns)
        assert last < stamp_ns <= max(now_ns, last + 1)
        assert now_ns - stamp_ns <= 1_200_000_000
        last = stamp_ns


def test_steady_sound_is_counted_not_timed() -> None:
    """Blocks that arrive in bursts of five, as from some drivers, are stamped a tenth of a second apart."""
    clock = SampleClock()
    stamps = [clock.stamp(1600, (number // 5 + 1) * 500_000_000) for number in range(100)]
    gaps_ms = np.diff(stamps[20:]) / 1e6
    assert gaps_ms.min() > 99 and gaps_ms.max() < 101


@pytest.mark.parametrize("lost_s", [0.5, 30.0])
def test_after_sound_was_lost_stamps_are_right_within_a_second(lost_s: float) -> None:
    clock = SampleClock()
    now_ns = 0
    for number in range(40):
        now_ns += 100_000_000 + (round(lost_s * 1e9) if number == 20 else 0)
        stamp_ns = clock.stamp(1600, now_ns)
        if number < 20 or number > 31:
            assert now_ns - stamp_ns < 1_000_000


class _Flaky:
    """A device that opens at its third trial and is lost after three blocks."""

    opened = 0

    def __init__(self) -> None:
        _Flaky.opened += 1
        if _Flaky.opened % 3:
            raise DeviceLost("not found", "nothing there")
        self._left = 3

    def read(self) -> AudioBlock:
        self._left -= 1
        if self._left < 0:
            raise DeviceLost("no sound", "gone")
        return AudioBlock(time.monotonic_ns(), np.ones(8, np.int16))

    def close(self) -> None:
        if _Flaky.opened >= 9:
            raise KeyboardInterrupt


def test_a_device_is_opened_again_for_ever_and_the_log_tells_each_trouble_once(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("edge.capture.capture_worker._FIRST_PAUSE_S", 0.001)
    monkeypatch.setattr("edge.capture.capture_worker._LONGEST_PAUSE_S", 0.002)
    caplog.set_level("INFO")
    ring = Ring(64, 20)
    with pytest.raises(KeyboardInterrupt):
        capture(_Flaky, ring)
    assert ring.published == 9
    said = [record.getMessage() for record in caplog.records]
    assert said == ["not found: nothing there", "no sound: gone"]  # three samples are no recovery worth telling

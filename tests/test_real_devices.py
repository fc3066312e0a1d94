"""The cameras that the tests of live capture use are real, and fail as real ones do when they are told to."""

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import psutil
import pytest
from numpy.typing import NDArray

from tests.made_media import marked
from tests.real import microphone, rtsp_camera
from tests.real.mjpeg_camera import MjpegCamera
from tests.real.mjpeg_server import Mode
from tests.real.rtsp_camera import RtspCamera

ROOT = Path(__file__).parent.parent
GSTREAMER = pytest.mark.skipif(bool(rtsp_camera.missing()), reason=rtsp_camera.missing())
PULSEAUDIO = pytest.mark.skipif(bool(microphone.missing()), reason=microphone.missing())

TIMEOUT_S = 0.6


def _open(url: str, open_s: float = TIMEOUT_S) -> cv2.VideoCapture:
    limits = [
        cv2.CAP_PROP_OPEN_TIMEOUT_MSEC,
        int(1_000 * open_s),
        cv2.CAP_PROP_READ_TIMEOUT_MSEC,
        int(1_000 * TIMEOUT_S),
    ]
    return cv2.VideoCapture(url, cv2.CAP_FFMPEG, limits)


def _frames(capture: cv2.VideoCapture, number: int = 6) -> list[NDArray[np.uint8] | None]:
    return [image if ok else None for ok, image in (capture.read() for _ in range(number))]


def _ends(capture: cv2.VideoCapture) -> bool:
    """Whether no frame comes any more, after those that were on their way."""
    return any(not capture.read()[0] for _ in range(60))


@pytest.fixture(scope="module")
def camera() -> Iterator[MjpegCamera]:
    with MjpegCamera([marked(index, 320, 240) for index in range(20)], frame_rate_hz=20) as running:
        yield running


@pytest.fixture
def capture(camera: MjpegCamera) -> Iterator[cv2.VideoCapture]:
    """Opened while all is well."""
    camera.set_mode("live")
    opened = _open(camera.url)
    assert opened.read()[0]
    yield opened
    opened.release()


def test_a_live_camera_shows_its_frames_no_two_alike(camera: MjpegCamera, capture: cv2.VideoCapture) -> None:
    before = camera.connections
    began_s = time.monotonic()
    shown = [image for image in _frames(capture, 20) if image is not None]
    assert len(shown) == 20 and 0.7 < time.monotonic() - began_s < 2.0
    assert len({image.tobytes() for image in shown}) == 20
    assert shown[0].shape == (240, 320, 3) and shown[0][20, 200].argmax() == 2, "the red band"
    _open(camera.url).release()
    assert camera.connections == before + 1


def test_frames_may_be_a_function() -> None:
    with MjpegCamera(marked) as running:
        assert _open(running.url).read()[1].shape == (120, 160, 3)


@pytest.mark.parametrize(("mode", "brightness"), [("black", (0, 8)), ("covered", (90, 120)), ("cut", (20, 220))])
def test_pictures_of_nothing_still_are_pictures_no_two_alike(
    camera: MjpegCamera, capture: cv2.VideoCapture, mode: Mode, brightness: tuple[int, int]
) -> None:
    camera.set_mode(mode)
    shown = [image for image in _frames(capture)[3:] if image is not None]
    assert len({image.tobytes() for image in shown}) == 3
    assert all(brightness[0] <= image.mean() <= brightness[1] for image in shown)
    if mode != "cut":
        assert all(0 < image.std(axis=(0, 1)).max() < 4 for image in shown), "flat, but not without noise"


def test_a_camera_that_repeats_one_frame(camera: MjpegCamera, capture: cv2.VideoCapture) -> None:
    camera.set_mode("same")
    shown = [image for image in _frames(capture)[2:] if image is not None]
    assert len(shown) == 4 and len({image.tobytes() for image in shown}) == 1


def test_a_camera_that_changes_its_size(camera: MjpegCamera, capture: cv2.VideoCapture) -> None:
    """OpenCV scales to the first size; who opens it anew gets the new one."""
    camera.set_mode("other size")
    assert [image.shape for image in _frames(capture) if image is not None] == [(240, 320, 3)] * 6
    assert _open(camera.url).read()[1].shape == (120, 160, 3)


def test_corrupt_frames_are_no_frames_and_the_capture_recovers(camera: MjpegCamera, capture: cv2.VideoCapture) -> None:
    camera.set_mode("garbage")
    assert _frames(capture)[2:] == [None] * 4
    camera.set_mode("live")
    assert all(image is not None for image in _frames(capture)[2:])


@pytest.mark.parametrize("mode", ["refuse", "close", "truncated", "freeze", "never answer", "slow"])
def test_a_capture_that_failed_has_to_be_opened_anew(
    camera: MjpegCamera, capture: cv2.VideoCapture, mode: Mode
) -> None:
    camera.set_mode(mode)
    began_s = time.monotonic()
    assert _frames(capture)[-2:] == [None] * 2
    waited_s = time.monotonic() - began_s
    assert (waited_s > TIMEOUT_S - 0.2) == (mode in ("freeze", "never answer", "slow")) and waited_s < 3
    assert capture.isOpened(), "which says nothing"
    began_s = time.monotonic()
    connections = camera.connections
    opens = _open(camera.url).isOpened()
    assert opens == (mode in ("close", "truncated", "slow")) and time.monotonic() - began_s < TIMEOUT_S + 1
    assert camera.connections == connections + (mode != "refuse")
    camera.set_mode("live")
    assert _frames(capture) == [None] * 6
    assert _open(camera.url).read()[0]


@GSTREAMER
def test_an_rtsp_camera_hangs_dies_and_comes_back() -> None:
    picture = marked(5, 320, 240)
    with RtspCamera([picture]) as running:
        capture = _open(running.url, open_s=8)
        shown = [image for image in _frames(capture, 10) if image is not None]
        assert len({image.tobytes() for image in shown}) == 10
        assert np.abs(shown[-1].astype(int) - picture).mean() < 12
        running.pause()
        assert _ends(capture)
        assert not _open(running.url).isOpened()
        running.resume()
        capture = _open(running.url, open_s=8)
        assert capture.read()[0]
        running.kill()
        assert _ends(capture)
        assert not _open(running.url).isOpened()
        running.start()
        assert _open(running.url, open_s=8).read()[0]


_ALL_DEVICES = """
import time
import numpy as np
from tests.made_media import marked
from tests.real.microphone import VirtualMicrophone
from tests.real.mjpeg_camera import MjpegCamera
from tests.real.rtsp_camera import RtspCamera
if __name__ == "__main__":
    with VirtualMicrophone() as heard, MjpegCamera([marked(1)]) as camera, RtspCamera([marked(1)]) as other:
        heard.play(np.ones(16_000, np.int16))
        heard.stop_daemon()
        other.pause()
        time.sleep(0.3)
        print("ready", flush=True)
        time.sleep(60)
"""


@PULSEAUDIO
@GSTREAMER
@pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGINT])
def test_when_the_test_is_killed_all_its_devices_are(end: signal.Signals) -> None:
    with tempfile.TemporaryDirectory() as folder:  # gets what a killed test cannot remove; pytest's own is too long
        test = subprocess.Popen(
            [sys.executable, "-c", _ALL_DEVICES],
            cwd=ROOT,
            env={**os.environ, "TMPDIR": folder},
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        assert test.stdout is not None and test.stdout.readline() == b"ready\n"
        children = psutil.Process(test.pid).children(recursive=True)
        assert {"pulseaudio", "pacat", "python3"} <= {child.name() for child in children}
        test.send_signal(end)
        test.communicate(timeout=10)
        _, alive = psutil.wait_procs(children, timeout=5)
        assert not [child for child in alive if child.status() != psutil.STATUS_ZOMBIE]
        assert end == signal.SIGKILL or not list(Path(folder).iterdir())

"""What a camera is asked for: size and rate from the settings, through the worker, to V4L2 and to picamera2."""

import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from edge.capture import capture_worker
from edge.capture.camera import PictureForm, open_camera
from edge.capture.ring import Ring
from edge.live import LiveDevices
from edge.settings.settings import Camera, Settings


class MadeCapture:
    """In the place of ``cv2.VideoCapture``: remembers what was asked."""

    asked: list[tuple[int, float]] = []  # noqa: RUF012 - of the one that is open

    def __init__(self, *_: Any) -> None:
        MadeCapture.asked = []

    def set(self, what: int, value: float) -> None:
        self.asked.append((what, value))

    def get(self, _what: int) -> float:
        return 0.0

    def isOpened(self) -> bool:
        return True


def test_v4l2_is_asked_for_the_size_and_then_the_rate(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cv2, "VideoCapture", MadeCapture)
    size = [(cv2.CAP_PROP_FRAME_WIDTH, 800), (cv2.CAP_PROP_FRAME_HEIGHT, 600)]
    open_camera("/dev/null", lambda: 0, PictureForm(800, 600, 15.0))
    assert MadeCapture.asked == [*size, (cv2.CAP_PROP_FPS, 15.0)]
    open_camera("/dev/null", lambda: 0, PictureForm(800, 600))
    assert MadeCapture.asked == size


def test_picamera2_is_asked_for_the_size_and_the_rate(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: dict[str, Any] = {}

    class Picamera2:
        def __init__(self, number: int) -> None:
            asked["number"] = number

        def create_video_configuration(self, **form: Any) -> dict[str, Any]:
            return form

        def configure(self, form: dict[str, Any]) -> None:
            asked.update(form)

        def start(self) -> None:
            pass

    module = ModuleType("picamera2")
    module.Picamera2 = Picamera2  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "picamera2", module)
    open_camera("picamera2:1", lambda: 0, PictureForm(1280, 720, 12.5))
    assert asked == {
        "number": 1,
        "main": {"size": (1280, 720), "format": "RGB888"},
        "controls": {"FrameRate": 12.5},
    }


def test_the_worker_is_given_what_is_set_and_asks_for_it(monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[tuple[dict[str, Any], Any]] = []
    monkeypatch.setattr("edge.live.start_worker", lambda _n, _m, given, _r, _l, cores: started.append((given, cores)))
    camera = Camera(source="3", width_px=320, height_px=240, frame_rate_hz=5.0)
    with_cores = Settings.model_validate({"camera": camera.model_dump(), "cores": {"camera": [1]}})
    devices = LiveDevices("3", None, None, with_cores)
    devices.supervisor.workers[0]._start()
    devices.__exit__()
    ((given, cores),) = started
    assert cores == [1]
    opened: list[PictureForm] = []
    monkeypatch.setattr("edge.capture.camera.open_camera", lambda _s, _i, form: opened.append(form))
    monkeypatch.setattr(capture_worker, "capture", lambda open_device, _ring: open_device())
    capture_worker.main(given, Ring(64, 2))
    assert opened == [PictureForm(320, 240, 5.0)]


def test_a_picture_of_another_size_is_taken_as_it_comes(tmp_path: Path) -> None:
    """A camera may refuse; a file is not even asked."""
    path = tmp_path / "one.avi"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), 5.0, (160, 120))
    image: NDArray[np.uint8] = np.full((120, 160, 3), 128, np.uint8)
    writer.write(image)
    writer.release()
    camera = open_camera(str(path), lambda: 0, PictureForm(640, 480, 30.0))
    frame = camera.read()
    camera.close()
    assert frame is not None and getattr(frame, "image").shape == (120, 160, 3)  # noqa: B009

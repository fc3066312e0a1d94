"""A live camera: by index, path, URL or GStreamer pipeline through OpenCV; a CSI camera through picamera2.

Every device is opened anew after any fault, because OpenCV's ``isOpened`` stays true after all of them.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from edge.capture.device import Device, DeviceLost
from edge.capture.sample import Frame

LONGEST_SIDE_PX = 1280
"""Larger pictures are scaled down: 4K costs a board more than it tells about a face."""
WIDTH_PX, HEIGHT_PX = 640, 480
"""What a camera is asked for; it may give another size."""

_OPEN_TIMEOUT_MS, _READ_TIMEOUT_MS = 3000, 1500
_LONGEST_WAIT_S = 1.2
"""FFmpeg waits for a stopped RTSP camera until its time is out, and then gives an old picture as if it were new."""
_FROZEN_S, _FROZEN_MOST_S = 5.0, 60.0
_STRIDE_PX = 8


@dataclass(frozen=True)
class PictureForm:
    """What a camera of V4L2 or picamera2 is asked for; it may give something else.

    Attributes:
        frame_rate_hz: None: as the camera likes.
    """

    width_px: int = WIDTH_PX
    height_px: int = HEIGHT_PX
    frame_rate_hz: float | None = None


def open_camera(source: str, interval_ns: Callable[[], int], form: PictureForm | None = None) -> Device:
    """The camera that `source` names.

    Args:
        source: an index (``0``), ``/dev/video0``, a file, a URL, a GStreamer pipeline (with ``!``), or ``picamera2``
            (``picamera2:1`` for the second CSI camera).
        interval_ns: how far apart frames are wanted at least; asked before each one.
        form: the pictures to ask for; a file, a URL or a pipeline has its own.

    Raises:
        DeviceLost: it cannot be opened now.
    """
    if source == "picamera2" or source.startswith("picamera2:"):
        return PiCamera(int(source.partition(":")[2] or 0), interval_ns, form or PictureForm())
    return OpenCvCamera(source, interval_ns, form or PictureForm())


class OpenCvCamera:
    """``cv2.VideoCapture``, read as fast as the camera gives, so that no old picture waits in a queue."""

    def __init__(self, source: str, interval_ns: Callable[[], int], form: PictureForm) -> None:
        self._source = source
        self._thin = _Thin(interval_ns)
        self._frozen = FrozenWatch()
        path = Path(source)
        is_index, is_node = source.isdigit(), source.startswith("/dev/")
        if is_index or is_node:
            node = path if is_node else Path(f"/dev/video{source}")
            if not node.exists():
                raise DeviceLost("not found", f"{node}: no such camera; plug it in, or see --list-devices")
            self._capture = cv2.VideoCapture(int(source) if is_index else source, cv2.CAP_V4L2)
            self._capture.set(cv2.CAP_PROP_FRAME_WIDTH, form.width_px)
            self._capture.set(cv2.CAP_PROP_FRAME_HEIGHT, form.height_px)
            if form.frame_rate_hz is not None:  # after the size, which decides what rates there are
                self._capture.set(cv2.CAP_PROP_FPS, form.frame_rate_hz)
        elif "!" in source:
            self._capture = cv2.VideoCapture(source, cv2.CAP_GSTREAMER)
        else:
            if "://" not in source and not path.exists():
                raise DeviceLost("not found", f"{source}: no such file; check the path, or see --list-devices")
            limits = [
                cv2.CAP_PROP_OPEN_TIMEOUT_MSEC,
                _OPEN_TIMEOUT_MS,
                cv2.CAP_PROP_READ_TIMEOUT_MSEC,
                _READ_TIMEOUT_MS,
            ]
            self._capture = cv2.VideoCapture(source, cv2.CAP_FFMPEG, limits)
        if not self._capture.isOpened():
            self._capture.release()
            raise DeviceLost("cannot be opened", self._why_not())
        # A file is not paced by anybody else.
        rate_hz = self._capture.get(cv2.CAP_PROP_FPS) if path.is_file() else 0.0
        self._file_interval_s = 1 / rate_hz if rate_hz > 0 else 0.0
        self._next_s = time.monotonic()
        self._began = False

    def read(self) -> Frame | None:
        """The next picture; None for one too many."""
        if self._file_interval_s:
            time.sleep(max(0.0, self._next_s - time.monotonic()))
            self._next_s += self._file_interval_s
        asked_ns = time.monotonic_ns()
        came = self._capture.grab()
        captured_ns = time.monotonic_ns()
        if not came or (self._began and captured_ns - asked_ns > _LONGEST_WAIT_S * 1e9):
            raise DeviceLost("no picture", f"{self._source}: gives no picture any more; is it still plugged in?")
        self._began = True  # the first picture may take its time: sensors start
        if not self._thin.wanted(captured_ns):
            return None
        got, image = self._capture.retrieve()
        if not got or image is None or image.size == 0:
            return None  # one broken picture; the device is lost when no others come
        image = as_bgr(image)
        self._frozen.look(image, captured_ns, self._source)
        return Frame(captured_ns, image)

    def close(self) -> None:
        """Let go of the camera."""
        self._capture.release()

    def _why_not(self) -> str:
        if "!" in self._source and "GStreamer:                   YES" not in cv2.getBuildInformation():
            return (
                f"{self._source}: this OpenCV has no GStreamer; install the system's python3-opencv "
                "(JetPack, Debian), or use picamera2"
            )
        if "://" in self._source:
            return f"{self._source}: does not answer, or is no video; check address and network"
        return f"{self._source}: cannot be opened; is it in use, and are you in the group video?"


class PiCamera:
    """A CSI camera through picamera2, which comes with Raspberry Pi OS (``apt install python3-picamera2``)."""

    def __init__(self, number: int, interval_ns: Callable[[], int], form: PictureForm) -> None:
        try:
            from picamera2 import Picamera2
        except (ImportError, ValueError) as error:  # ValueError: compiled for another numpy than ours
            raise DeviceLost(
                "not found",
                f"picamera2 cannot be used ({error}): apt install python3-picamera2, and make the environment anew, "
                "with --system-site-packages",
            ) from None
        self._source = f"picamera2:{number}"
        self._thin = _Thin(interval_ns)
        self._frozen = FrozenWatch()
        try:
            self._camera: Any = Picamera2(number)
            # RGB888 is libcamera's name for what OpenCV calls BGR.
            main = {"size": (form.width_px, form.height_px), "format": "RGB888"}
            controls = {} if form.frame_rate_hz is None else {"FrameRate": form.frame_rate_hz}
            self._camera.configure(self._camera.create_video_configuration(main=main, controls=controls))
            self._camera.start()
        except (RuntimeError, IndexError) as error:
            raise DeviceLost("cannot be opened", f"{self._source}: {error}; check the ribbon cable") from None

    def read(self) -> Frame | None:
        """The next picture; None for one too many."""
        request = self._camera.capture_request()
        captured_ns = time.monotonic_ns()
        try:
            if not self._thin.wanted(captured_ns):
                return None
            image = as_bgr(request.make_array("main"))
        finally:
            request.release()
        self._frozen.look(image, captured_ns, self._source)
        return Frame(captured_ns, image)

    def close(self) -> None:
        """Let go of the camera; users report that this may block after an unplug."""
        self._camera.close()


class FrozenWatch:
    """Opens a camera anew that gives the same picture, bit for bit, for long: some drivers wake up by that.

    It is tried less and less often, as a test picture or a slide is just as still.
    """

    _limit_s = _FROZEN_S  # of the class: it outlives the device that is opened anew

    def __init__(self) -> None:
        self._same: NDArray[np.uint8] | None = None
        self._since_ns = 0

    def look(self, image: NDArray[np.uint8], captured_ns: int, source: str) -> None:
        """Raises DeviceLost where the picture has been the same for too long."""
        sample = image[::_STRIDE_PX, ::_STRIDE_PX]
        if self._same is None or not np.array_equal(sample, self._same):
            if self._same is not None:
                FrozenWatch._limit_s = _FROZEN_S
            self._same, self._since_ns = sample.copy(), captured_ns
        elif captured_ns - self._since_ns >= FrozenWatch._limit_s * 1e9:
            FrozenWatch._limit_s = min(_FROZEN_MOST_S, 2 * FrozenWatch._limit_s)
            raise DeviceLost("frozen", f"{source}: the same picture again and again; opening it anew")


class _Thin:
    """Which frames are wanted: the first of each interval."""

    def __init__(self, interval_ns: Callable[[], int]) -> None:
        self._interval_ns = interval_ns
        self._due_ns = 0

    def wanted(self, captured_ns: int) -> bool:
        interval_ns = self._interval_ns()
        # A camera's own jitter must not cost a frame; and a pause must not be caught up with.
        if captured_ns < self._due_ns - interval_ns // 4:
            return False
        self._due_ns = max(self._due_ns + interval_ns, captured_ns + interval_ns // 2)
        return True


def as_bgr(image: NDArray[Any]) -> NDArray[np.uint8]:
    """BGR uint8 (height, width, 3), at most :data:`LONGEST_SIDE_PX` on a side, of whatever a driver gives."""
    if image.dtype != np.uint8:
        image = cv2.convertScaleAbs(image, alpha=1 / 256)  # 16-bit grey of an infrared camera
    if image.ndim == 2 or image.shape[2] == 1:
        image = cv2.cvtColor(image, cv2.COLOR_GRAY2BGR)
    elif image.shape[2] == 4:
        image = cv2.cvtColor(image, cv2.COLOR_BGRA2BGR)
    scale = LONGEST_SIDE_PX / max(image.shape[:2])
    if scale < 1:
        size = (max(1, round(image.shape[1] * scale)), max(1, round(image.shape[0] * scale)))
        image = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
    return image

"""A real network camera on 127.0.0.1: H.264 over RTSP from Debian's GStreamer, which can hang, die and come back."""

import functools
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from tests.real.child import kill_child, missing_commands, start_child
from tests.real.loopback_port import LoopbackPort

_PYTHON = "/usr/bin/python3"  # Debian's, which has GStreamer's bindings
_SERVER = Path(__file__).parent / "rtsp_server.py"
_START_S = 20.0
_NOISE = 6  # grey levels at most: what the encoder does not smooth away
_LEAST_FRAMES = 15  # each with noise of its own


@functools.cache
def missing() -> str:
    """Why there can be no RtspCamera here; empty if there can be."""
    needed = (
        "import gi; gi.require_version('GstRtspServer', '1.0'); from gi.repository import Gst, GstRtspServer as _\n"
    )
    needed += "Gst.init(None); absent = [name for name in ('multifilesrc', 'jpegdec', 'videoconvert', 'x264enc',"
    needed += " 'rtph264pay') if not Gst.ElementFactory.find(name)]; assert not absent, absent"
    if reason := missing_commands(_PYTHON, "setpriv"):
        return reason
    done = subprocess.run([_PYTHON, "-c", needed], capture_output=True, text=True, check=False, timeout=_START_S)
    return f"no RTSP server: {done.stderr.strip().splitlines()[-1]}; run 'make system'" if done.returncode else ""


class RtspCamera:
    """What ``cv2.VideoCapture(camera.url)`` opens; ``with`` starts and ends its process, which dies with the test.

    Args:
        frames: BGR images of one even size, shown in turn, again and again, each with noise.
        frame_rate_hz: of the stream.
    """

    def __init__(self, frames: Sequence[NDArray[np.uint8]], frame_rate_hz: int = 15) -> None:
        self._frames, self._frame_rate_hz = frames, frame_rate_hz
        self._server: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> "RtspCamera":
        self._temporary = tempfile.TemporaryDirectory(prefix="rtsp-camera-", ignore_cleanup_errors=True)
        self._folder = Path(self._temporary.name)
        self._port = LoopbackPort()
        self.url = f"rtsp://127.0.0.1:{self._port.number}/camera"
        try:
            self._write_frames()
            self.start()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *exc_info: object) -> None:
        if self._server is not None:
            kill_child(self._server)
        self._port.close()
        self._temporary.cleanup()

    def start(self) -> None:
        """Start it, for the first time or after ``kill``, at the same URL; returns when it listens."""
        if self._server is not None and self._server.poll() is None:
            raise RuntimeError("the camera runs already")
        log = self._folder / "log"
        command: list[str | Path] = [_PYTHON, _SERVER, str(self._port.number), self._folder, str(self._frame_rate_hz)]
        self._server = start_child(command, log)
        deadline = time.monotonic() + _START_S
        while not self._listens():
            if time.monotonic() > deadline or self._server.poll() is not None:
                raise RuntimeError(f"the RTSP server did not start: {log.read_text(errors='replace')[-1_000:]}")
            time.sleep(0.02)

    def pause(self) -> None:
        """It hangs (SIGSTOP): connections stay open and nothing comes; new ones get no answer."""
        self._running.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        """It goes on after ``pause``."""
        self._running.send_signal(signal.SIGCONT)

    def kill(self) -> None:
        """It is gone at once: connections end, new ones are refused."""
        kill_child(self._running)

    @property
    def _running(self) -> subprocess.Popen[bytes]:
        if self._server is None or self._server.poll() is not None:
            raise RuntimeError("the camera does not run")
        return self._server

    def _listens(self) -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self._port.number)) == 0

    def _write_frames(self) -> None:
        rng = np.random.default_rng(0)
        repeats = -(-_LEAST_FRAMES // len(self._frames))
        for index, image in enumerate(list(self._frames) * repeats):
            noise = rng.integers(-_NOISE, _NOISE, image.shape, np.int8, endpoint=True)
            noisy = cv2.add(image, noise, dtype=cv2.CV_8U)
            cv2.imwrite(str(self._folder / f"{index:04d}.jpg"), noisy, [cv2.IMWRITE_JPEG_QUALITY, 95])

"""The process of an MjpegCamera: MJPEG over HTTP to any number of connections, well or failing in one of many ways."""

import functools
import socket
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from multiprocessing.connection import Connection
from typing import Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from tests.real.loopback_port import reusable_socket

Image = NDArray[np.uint8]
Frames = Callable[[int], Image] | Sequence[Image]
Mode = Literal[
    "live",
    "refuse",
    "never answer",
    "freeze",
    "same",
    "black",
    "covered",
    "close",
    "garbage",
    "truncated",
    "cut",
    "other size",
    "slow",
]

_HEAD = b"HTTP/1.0 200 OK\r\nContent-Type: multipart/x-mixed-replace; boundary=frame\r\n\r\n"
_SLOW_S = 3.0  # from frame to frame
_HAND_BGR = (72, 92, 150)  # the light that comes through a hand
_DARK_BGR = (4, 4, 4)
_NOISE = 3  # grey levels of a sensor's noise, at most
_QUALITY = 95  # of a JPEG: what is worse smooths the noise away, and then frames are alike


def serve(port: int, frame_rate_hz: float, orders: Connection) -> None:
    """Serve until the other end of ``orders`` is closed.

    First come the frames, then modes; each is answered when it is in force, with how many connections there were. None
    asks for that alone.
    """
    cv2.setNumThreads(1)
    with suppress(EOFError):  # the test has ended, or was killed
        server = _Server(port, orders.recv(), frame_rate_hz)
        orders.send(0)
        while True:
            mode: Mode | None = orders.recv()
            if mode is not None:
                server.set_mode(mode)
            orders.send(server.connections)


class _Server:
    def __init__(self, port: int, frames: Frames, frame_rate_hz: float) -> None:
        self._port, self._frames, self._frame_rate_hz = port, frames, frame_rate_hz
        self._began_s = time.monotonic()
        self._mode: Mode = "live"
        self._changed = threading.Condition()
        self._listener: socket.socket | None = None
        self._open: set[socket.socket] = set()
        self._same: bytes | None = None
        self.connections = 0
        self._listen()

    def set_mode(self, mode: Mode) -> None:
        with self._changed:
            self._mode, self._same = mode, None
            self._changed.notify_all()
            hang_up = list(self._open) if mode == "refuse" else []
        if mode == "refuse":
            self._stop_listening()
        elif self._listener is None:
            self._listen()
        for connection in hang_up:
            with suppress(OSError):  # the other end was quicker
                connection.shutdown(socket.SHUT_RDWR)

    def _listen(self) -> None:
        self._listener = reusable_socket()
        self._listener.bind(("127.0.0.1", self._port))
        self._listener.listen()
        threading.Thread(target=self._accept, args=(self._listener,), daemon=True).start()

    def _stop_listening(self) -> None:
        if self._listener is not None:
            self._listener.shutdown(socket.SHUT_RDWR)  # wakes accept(), which close() alone would not
            self._listener.close()
            self._listener = None

    def _accept(self, listener: socket.socket) -> None:
        with suppress(OSError):  # it was closed
            while True:
                connection, _ = listener.accept()
                with self._changed:
                    self.connections += 1
                    self._open.add(connection)
                threading.Thread(target=self._talk, args=(connection,), daemon=True).start()

    def _talk(self, connection: socket.socket) -> None:
        try:
            with suppress(OSError):  # the other end has left
                self._send_frames(connection)
        finally:
            with self._changed:
                self._open.discard(connection)
            connection.close()

    def _send_frames(self, connection: socket.socket) -> None:
        if not connection.recv(65_536):
            return
        with self._changed:
            self._changed.wait_for(lambda: self._mode != "never answer")
        connection.sendall(_HEAD)
        rng = np.random.default_rng()
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._mode not in ("freeze", "never answer"))
                mode = self._mode
            if mode == "refuse":
                return
            began_s = time.monotonic()
            connection.sendall(self._part(mode, rng))
            if mode == "close":
                return
            pause_s = _SLOW_S if mode == "slow" else 1 / self._frame_rate_hz
            with self._changed:
                self._changed.wait_for(functools.partial(self._is_not, mode), began_s + pause_s - time.monotonic())

    def _is_not(self, mode: Mode) -> bool:
        return self._mode != mode

    def _part(self, mode: Mode, rng: np.random.Generator) -> bytes:
        """A part of the multipart answer, with its head."""
        jpeg = self._jpeg(mode, rng)
        if mode == "same":
            with self._changed:
                self._same = jpeg = self._same or jpeg
        if mode == "cut":
            jpeg = jpeg[: len(jpeg) // 2]
        head = f"--frame\r\nContent-Type: image/jpeg\r\nContent-Length: {len(jpeg)}\r\n\r\n".encode()
        if mode == "garbage":
            jpeg = jpeg[:100] + rng.bytes(len(jpeg) - 100)
        elif mode == "truncated":
            jpeg = jpeg[: len(jpeg) // 2]
        return head + jpeg + b"\r\n"

    def _jpeg(self, mode: Mode, rng: np.random.Generator) -> bytes:
        index = int((time.monotonic() - self._began_s) * self._frame_rate_hz)
        image = self._frames(index) if callable(self._frames) else self._frames[index % len(self._frames)]
        if mode == "other size":
            image = cv2.resize(image, None, fx=0.5, fy=0.5)
        elif mode in ("black", "covered"):
            image = np.full_like(image, _DARK_BGR if mode == "black" else _HAND_BGR)
        noise = rng.integers(-_NOISE, _NOISE, image.shape, np.int8, endpoint=True)
        image = cv2.add(image, noise, dtype=cv2.CV_8U)
        return bytes(cv2.imencode(".jpg", image, (cv2.IMWRITE_JPEG_QUALITY, _QUALITY))[1])

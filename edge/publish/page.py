"""Readings for people who watch in a browser: a page that is always up to date."""

import ipaddress
import json
import socket
import time
from collections import deque
from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from edge.publish.colours import GREY, ORANGE, SKY, emotion_colours
from edge.publish.page_server import PICTURES, READINGS, PageServer
from edge.publish.publisher import RECORDING, ReaderGone
from edge.reading import MODALITIES, PAIRS, UNKNOWN, Reading, pair_name

LIVE = "live"
HISTORY_S = 60.0
_MOST_KEPT = 600
_SILENT_S = 3.0
_PICTURE_WIDTH_PX, _PICTURES_HZ, _JPEG_QUALITY = 480, 5.0, 75
_BOX_BYTES = 8

_STATES = {"live": ("●", SKY), "proxy": ("◐", ORANGE), "absent": ("○", "#B0B0B0")}
"""Sign and colour, as on the terminal."""

Box = tuple[float, float, float, float]
"""x, y, width and height of a face, in pixels of its picture."""


class Page:
    """A page at ``url`` that shows every reading to whoever watches. Knows nothing of where readings come from.

    Visitors who come later first get the last minute. Watching never slows whoever publishes: see ``PageServer``.

    Args:
        labels: the bundle's emotions.
        hop_s: seconds from reading to reading, when all is well.
        address, port: where it is served; port 0 takes a free one.
        token: what visitors must bring; needed where others than this machine can look.
        video: whether pictures are shown; without, :meth:`frame` must not be called.
        title: what is shown: "live", or "replay of FILE".
        recording: picture and sound are written somewhere, which visitors must see.

    Raises:
        M3erError: it cannot be served there, or not without a token.
    """

    def __init__(
        self,
        labels: Sequence[str],
        hop_s: float,
        address: str = "127.0.0.1",
        port: int = 8710,
        token: str | None = None,
        video: bool = False,
        title: str = LIVE,
        recording: bool = False,
    ) -> None:
        self._config = _config(labels, hop_s, video, title, recording)
        self._video = video
        # Of the publishing thread and the server's: a deque, whose single operations need no lock.
        self._inbox: deque[tuple[float, float, str]] = deque(maxlen=_MOST_KEPT)
        self._woken = False
        self._picture: tuple[NDArray[np.uint8], Box | None] | None = None
        self._framed_s = float("-inf")
        # Of the server's thread alone: (the reading's t, when it came, its JSON).
        self._history: deque[tuple[float, float, str]] = deque(maxlen=_MOST_KEPT)
        self._closed = False
        self._server = PageServer(address, port, token, self._greeting)

    @property
    def url(self) -> str:
        """Where it is, without the token; by this machine's name where it is served at all of its addresses."""
        address = self._server.address
        if ipaddress.ip_address(address).is_unspecified:
            address = socket.gethostname()
        return f"http://{f'[{address}]' if ':' in address else address}:{self._server.port}/"

    @property
    def watchers(self) -> int:
        """How many browsers get readings now."""
        return self._server.watchers(READINGS)

    def publish(self, reading: Reading) -> None:
        """Hand the reading to all who watch, in microseconds. Raises ReaderGone if the server has died."""
        self._check_alive()
        self._inbox.append((reading.t, time.monotonic(), reading.to_json()))
        self._wake()

    def frame(self, image: NDArray[np.uint8], box: Box | None) -> None:
        """Show a picture, at most five a second, and only if somebody watches; else it returns at once.

        Args:
            image: (height, width, 3), BGR; not kept.
            box: of the face that is followed; None: there is none.
        """
        if not self._video:
            raise RuntimeError("a picture came to a page without video")
        if not self._server.watchers(PICTURES):
            return
        now_s = time.monotonic()
        if now_s - self._framed_s < 1 / _PICTURES_HZ:
            return
        self._check_alive()
        self._framed_s = now_s
        height, width = image.shape[:2]
        scale = min(1.0, _PICTURE_WIDTH_PX / width)
        size = (max(1, round(width * scale)), max(1, round(height * scale)))
        small = cv2.resize(image, size, interpolation=cv2.INTER_AREA) if scale < 1 else image.copy()
        x, y, w, h = box or (0.0, 0.0, 0.0, 0.0)
        self._picture = np.asarray(small, np.uint8), (x * scale, y * scale, w * scale, h * scale) if box else None
        self._wake()

    def close(self) -> None:
        """End it, within a second; once or more."""
        self._closed = True
        self._server.close()

    def _check_alive(self) -> None:
        if self._closed:
            raise RuntimeError("a reading came after the page was closed")
        if not self._server.running:
            raise ReaderGone("the page's server has died")

    def _wake(self) -> None:
        if not self._woken:  # else what was just put there is taken by the call that is on its way
            self._woken = True
            self._server.call(self._hand_out)

    def _hand_out(self) -> None:
        """In the server's thread: all that has come to all who watch."""
        self._woken = False  # before looking: what comes from now on wakes again
        while self._inbox:
            t, came_s, text = self._inbox.popleft()
            if self._history and t <= self._history[-1][0]:
                self._history.clear()  # another run, or a replay that begins anew
            self._history.append((t, came_s, text))
            self._server.hand_out(READINGS, f'{{"kind":"reading","reading":{text}}}')
        while self._history and self._history[-1][0] - self._history[0][0] > HISTORY_S:
            self._history.popleft()
        picture, self._picture = self._picture, None
        if picture is not None:
            self._server.hand_out(PICTURES, _encoded(*picture))

    def _greeting(self) -> list[str]:
        age_s = time.monotonic() - self._history[-1][1] if self._history else None
        readings = ",".join(text for _, _, text in self._history)
        return [self._config, f'{{"kind":"history","age_s":{json.dumps(age_s)},"readings":[{readings}]}}']


def _config(labels: Sequence[str], hop_s: float, video: bool, title: str, recording: bool) -> str:
    """What the page must know before the first reading: its colours above all, which have one source."""
    colours = {**emotion_colours(labels), UNKNOWN: GREY}
    return json.dumps(
        {
            "kind": "config",
            "title": title,
            "live": title == LIVE,
            "labels": list(labels),
            "hop_s": hop_s,
            "history_s": HISTORY_S,
            "silent_s": max(_SILENT_S, 2 * hop_s),
            "video": video,
            "recording": RECORDING if recording else "",
            "colours": {label: {"fill": fill, "ink": _ink(fill)} for label, fill in colours.items()},
            "states": {name: {"sign": sign, "fill": fill, "ink": _ink(fill)} for name, (sign, fill) in _STATES.items()},
            "modalities": MODALITIES,
            "pairs": [pair_name(*pair) for pair in PAIRS],
        }
    )


def _ink(fill: str) -> str:
    """Black or white: whichever has the higher contrast by WCAG 2, which is at least 4.5 to any colour."""
    linear = []
    for at in (1, 3, 5):
        part = int(fill[at : at + 2], 16) / 255
        linear.append(part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4)
    luminance = 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
    return "#000000" if luminance > 0.179 else "#FFFFFF"


def _encoded(image: NDArray[np.uint8], box: Box | None) -> bytes:
    """The box as four 16-bit numbers, big-endian (x, y, width, height; all 0: none), then the JPEG."""
    found = np.clip(np.round(box or (0, 0, 0, 0)), 0, 65535).astype(">u2").tobytes()
    _, jpeg = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY])
    return bytes(found + jpeg.tobytes())

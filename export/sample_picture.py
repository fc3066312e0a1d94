"""The moving picture of the project's sample clip: a photographed face as a robot's camera would film it.

The photograph is ``skimage.data.astronaut()`` (NASA, public domain), bundled in scikit-image's wheel. Camera
motion, light and sensor noise are added, and at will a cover that hides the whole face: a hand, or a sheet.
"""

import math
from typing import Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from edge.errors import M3erError

Cover = Literal["hand", "sheet"]

# Multiples of 16: encoders pad other sizes out to whole macroblocks, and a frozen picture would not stay put.
WIDTH_PX, HEIGHT_PX = 512, 384
_FACE_XY = (223.0, 122.0)  # middle of the face in the photograph, in its pixels
_NOISE_SIGMA = 3.0  # grey levels: visible on close look, yet cheap to encode
_CAST = {"hand": (0.98, 1.0, 1.02), "sheet": (1.06, 1.0, 0.95)}  # white balance, as BGR gains: warm, cool
_SKIN_BGR = (128.0, 158.0, 208.0)
_PAPER_BGR = (222.0, 228.0, 230.0)

Image = NDArray[np.uint8]
_Plane = NDArray[np.float32]


def photograph() -> Image:
    """The face: uint8 (512, 512, 3), BGR.

    Raises:
        M3erError: when scikit-image is not installed.
    """
    try:
        from skimage import data
    except ImportError as error:
        raise M3erError("the sample clip needs scikit-image for its photograph: pip install scikit-image") from error
    return np.ascontiguousarray(data.astronaut()[:, :, ::-1], dtype=np.uint8)


class Filming:
    """A camera that drifts slowly about a face; the same seed films the same frames.

    Args:
        seed: of the motion, the light and the noise. Even seeds film a mirrored face.
        cover: what hides the face when asked to; it also chooses the white balance.
    """

    def __init__(self, seed: int, cover: Cover) -> None:
        self._rng = np.random.default_rng([seed, 1])
        source = photograph()
        self._face_x = _FACE_XY[0]
        if seed % 2 == 0:
            source = np.ascontiguousarray(source[:, ::-1])
            self._face_x = source.shape[1] - 1 - self._face_x
        balanced = source.astype(np.float32) * np.array(_CAST[cover], np.float32)
        self._source = np.clip(balanced, 0, 255).astype(np.uint8)
        self._phases = self._rng.uniform(0, 2 * math.pi, 8)
        self._periods_s = self._rng.uniform(0.85, 1.2, 8) * np.array([11, 9, 13, 10, 2.9, 2.3, 17, 5])
        self._zoom = float(self._rng.uniform(1.80, 1.95))
        colour, alpha = _hand(self._rng) if cover == "hand" else _sheet(self._rng)
        # Premultiplied, so that scaling and turning it leaves no fringe; softened, as it is out of focus.
        self._cover = cv2.GaussianBlur(np.dstack([colour * alpha[:, :, None], alpha]), (0, 0), 2.2)

    def _wave(self, index: int, t_s: float) -> float:
        return math.sin(2 * math.pi * t_s / self._periods_s[index] + self._phases[index])

    def frame(self, t_s: float, covered: float = 0.0) -> Image:
        """The next frame; two are never the same, as each has noise of its own.

        Args:
            t_s: when, in seconds from the clip's start.
            covered: 0 (no cover in sight) to 1 (it hides the face from above the forehead to below the chin).

        Returns:
            uint8 (384, 512, 3), BGR.
        """
        zoom = self._zoom * (1 + 0.06 * self._wave(0, t_s))
        turn_deg = 3.0 * self._wave(1, t_s)
        # Where the face is on the screen: a slow pan with the small sway of a neck or a hand.
        x = WIDTH_PX / 2 + 34 * self._wave(2, t_s) + 1.5 * self._wave(4, t_s)
        y = HEIGHT_PX * 0.53 + 12 * self._wave(3, t_s) + 1.2 * self._wave(5, t_s)
        matrix = _placement((self._face_x, _FACE_XY[1]), zoom, turn_deg, (x, y))
        size = (WIDTH_PX, HEIGHT_PX)
        view = cv2.warpAffine(self._source, matrix, size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT)
        scene: _Plane = view.astype(np.float32)
        if covered > 0:
            scene = self._cover_up(scene, t_s, covered, zoom, (x, y))
        scene *= 1 + 0.05 * self._wave(6, t_s)
        grain = self._rng.standard_normal((HEIGHT_PX, WIDTH_PX, 1), dtype=np.float32)
        return np.clip(scene + _NOISE_SIGMA * grain, 0, 255).astype(np.uint8)

    def _cover_up(self, scene: _Plane, t_s: float, covered: float, zoom: float, face_xy: tuple[float, float]) -> _Plane:
        """The scene with the cover before the face; it comes up from below the picture."""
        height, width = self._cover.shape[:2]
        x = face_xy[0] + 4 * self._wave(7, t_s)
        y = face_xy[1] + 3 * self._wave(4, t_s) + (1 - covered) * HEIGHT_PX * 1.15
        tilt_deg = 3 + 1.5 * self._wave(5, t_s) + (1 - covered) * 12
        size = (WIDTH_PX, HEIGHT_PX)
        matrix = _placement((width * 0.5, height * 0.5), 0.85 * zoom / self._zoom, tilt_deg, (x, y))
        layer = cv2.warpAffine(self._cover, matrix, size)
        matrix[:, 2] += (7, 9)  # its shadow falls to the lower right
        shadow = cv2.GaussianBlur(cv2.warpAffine(self._cover[:, :, 3], matrix, size), (0, 0), 9)
        behind = scene * (1 - 0.35 * shadow[:, :, None])
        result: _Plane = layer[:, :, :3] + behind * (1 - layer[:, :, 3:])
        return result


def _placement(at: tuple[float, float], zoom: float, turn_deg: float, to: tuple[float, float]) -> NDArray[np.float64]:
    """The (2, 3) affine map that turns and scales about ``at`` and brings it to ``to``."""
    matrix: NDArray[np.float64] = cv2.getRotationMatrix2D(at, turn_deg, zoom)
    matrix[:, 2] += np.subtract(to, at)
    return matrix


def _smooth(rng: np.random.Generator, shape: tuple[int, int], scale_px: float) -> _Plane:
    """Blotches of about ``scale_px``, with unit spread."""
    blotches: _Plane = cv2.GaussianBlur(rng.standard_normal(shape).astype(np.float32), (0, 0), scale_px)
    blotches /= blotches.std()
    return blotches


def _hand(rng: np.random.Generator) -> tuple[_Plane, _Plane]:
    """A palm with its fingers up: colour (700, 520, 3) in BGR levels, and opacity (700, 520) in 0 to 1."""
    shape = (700, 520)
    # Bones as (from x, y, radius, to x, y, radius), the farthest first: each is drawn over the ones before.
    fingers = [
        [(144, 330, 42, 132, 150, 31)],  # little finger
        [(388, 332, 46, 392, 92, 35)],  # index
        [(224, 322, 45, 214, 72, 36)],  # ring
        [(306, 322, 46, 302, 40, 37)],  # middle
    ]
    palm = [(166, 350, 62, 200, 520, 78), (255, 335, 70, 265, 520, 92), (358, 350, 64, 330, 520, 84)]
    forearm = [(262, 520, 112, 262, 900, 118)]
    thumb = [(352, 500, 62, 452, 392, 40), (452, 392, 40, 492, 312, 30)]
    height_map = np.zeros(shape, np.float32)
    alpha = np.zeros(shape, np.float32)
    crease = np.ones(shape, np.float32)
    for bones in [forearm, *fingers, palm, thumb]:
        mask = np.zeros(shape, np.uint8)
        for x0, y0, r0, x1, y1, r1 in bones:
            for step in np.linspace(0, 1, 60):
                centre = (round(x0 + (x1 - x0) * step), round(y0 + (y1 - y0) * step))
                cv2.circle(mask, centre, round(r0 + (r1 - r0) * step), 255, -1, cv2.LINE_AA)
        part = mask.astype(np.float32) / 255
        inside = np.minimum(cv2.distanceTransform((mask > 127).astype(np.uint8), cv2.DIST_L2, 5) / 42, 1)
        dome = np.sqrt(np.maximum(1 - (1 - inside) ** 2, 0)).astype(np.float32)
        # Palm and thumb grow out of what they lie on; only fingers show a dark line between each other.
        depth = 0.40 if bones in fingers else 0.16
        crease = crease * (1 - part) + part * (1 - depth * (1 - dome))
        height_map = height_map * (1 - part) + part * (dome * 26)
        alpha = np.maximum(alpha, part)
    # The lines of the palm. None on the fingers: OpenCV's Haar cascade takes a finger's joint for a face.
    lines = np.zeros(shape, np.uint8)
    for points in (
        [(120, 400), (200, 372), (280, 372), (345, 330)],
        [(398, 408), (320, 418), (240, 440), (150, 492)],
        [(398, 412), (336, 446), (290, 520), (276, 610)],
    ):
        cv2.polylines(lines, [np.array(points, np.int32)], False, 255, 4, cv2.LINE_AA)
    crease *= 1 - 0.28 * cv2.GaussianBlur(lines, (0, 0), 2.5).astype(np.float32) / 255
    height_map = cv2.GaussianBlur(height_map, (0, 0), 5)
    slope_x, slope_y = cv2.Sobel(height_map, cv2.CV_32F, 1, 0), cv2.Sobel(height_map, cv2.CV_32F, 0, 1)
    # Light from the upper left, a little to the front.
    light = np.clip(0.95 + 0.022 * (slope_x + slope_y), 0.55, 1.12) * crease
    light *= 1 + 0.03 * _smooth(rng, shape, 14) + 0.02 * _smooth(rng, shape, 2)
    redness = 4 * _smooth(rng, shape, 30)
    colour = np.array(_SKIN_BGR, np.float32) * light[:, :, None]
    colour += redness[:, :, None] * np.array([-0.6, -0.5, 0.5], np.float32)
    return np.clip(colour, 0, 255).astype(np.float32), alpha


def _sheet(rng: np.random.Generator) -> tuple[_Plane, _Plane]:
    """A blank sheet of paper: colour (620, 400, 3) in BGR levels, and opacity (620, 400) in 0 to 1."""
    shape = (620, 400)
    alpha = np.zeros(shape, np.float32)
    # Turned a little from the camera, so not quite a rectangle.
    corners = np.array([(24, 44), (382, 30), (372, 612), (30, 604)], np.int32)
    cv2.fillConvexPoly(alpha, corners, 1.0, cv2.LINE_AA)
    curl = np.linspace(1.03, 0.90, shape[1], dtype=np.float32)[None, :]
    light = curl * (1 + 0.012 * _smooth(rng, shape, 40) + 0.008 * _smooth(rng, shape, 1.5))
    colour = np.array(_PAPER_BGR, np.float32) * light[:, :, None]
    return np.clip(colour, 0, 255).astype(np.float32), alpha

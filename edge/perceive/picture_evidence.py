"""Is the camera's picture worth looking at: dark, covered and frozen are told from a room without a face."""

import cv2
import numpy as np
from numpy.typing import NDArray

from edge.capture.sample import Frame
from edge.perceive.quantile import quantiles

# Measured on 25 photographs, sharp, blurred, dimmed and fogged, on flat fields with noise of up to 25 levels,
# on a made-up hand before the lens; all at 80 px, where noise is averaged away and a scene's edges are not.
_LOOK_SIDE_PX = 80
_DARK_LEVEL = 12.0  # mean grey level; a photograph at a tenth of its light has 6 to 12, but more spread
_DARK_SPREAD = 5.0  # standard deviation; a lamp in a dark room has more
_COVERED_EDGE = 2.4  # 95th percentile of the gradient, levels per pixel; photographs 10 to 120, hand 1, noise <= 2.3
_COVERED_SPREAD = 25.0  # a hand with light at its side 18, photographs out of focus 16 to 68
_SHARP_RATIO = 0.8  # edge by spread of a sharp photograph: 0.6 to 1.4; far out of focus 0.1 to 0.4
_NOISE_LEVEL = 4.0
_FROZEN_NS = 750_000_000
_FROZEN_STRIDE_PX = 8


class PictureEvidence:
    """Watches the frames of one camera.

    Attributes:
        sharpness: 0..1 of the last frame: how steep its edges are for its contrast; 0 for a blank picture.
    """

    def __init__(self) -> None:
        self.sharpness = 0.0
        self._same: NDArray[np.uint8] | None = None
        self._same_since_ns = 0

    def update(self, frame: Frame) -> str | None:
        """Why the picture is useless, or None.

        Returns:
            "dark": hardly any light. "covered": hardly any detail, as behind a hand or before a blank wall.
            "frozen": bit for bit the same picture for 0.75 s or more, which no living sensor gives.
        """
        frozen = self._frozen(frame)
        height, width = frame.image.shape[:2]
        scale = min(1.0, _LOOK_SIDE_PX / max(height, width))
        size = (max(1, round(width * scale)), max(1, round(height * scale)))
        # grey first, and halved: shrinking three channels by a factor that is not whole takes ten times as long
        whole = cv2.cvtColor(frame.image, cv2.COLOR_BGR2GRAY)
        if scale <= 0.25 and width % 2 == height % 2 == 0:
            whole = cv2.resize(whole, (width // 2, height // 2), interpolation=cv2.INTER_AREA)
        grey = cv2.resize(whole, size, interpolation=cv2.INTER_AREA)
        mean, deviation = cv2.meanStdDev(grey)
        level, spread = float(mean[0, 0]), float(deviation[0, 0])
        # A Sobel kernel's weights sum to 8 levels for a slope of one level per pixel.
        slopes = cv2.magnitude(cv2.Sobel(grey, cv2.CV_32F, 1, 0), cv2.Sobel(grey, cv2.CV_32F, 0, 1))
        edge = quantiles(slopes.ravel(), 0.95)[0] / 8
        self.sharpness = min(1.0, edge / (spread + _NOISE_LEVEL) / _SHARP_RATIO)
        if level < _DARK_LEVEL and spread < _DARK_SPREAD:
            return "dark"
        if edge < _COVERED_EDGE and spread < _COVERED_SPREAD:
            return "covered"
        return "frozen" if frozen else None

    def _frozen(self, frame: Frame) -> bool:
        # Every eighth pixel is enough: noise changes them all, and a whole copy costs more than the rest.
        sample = frame.image[::_FROZEN_STRIDE_PX, ::_FROZEN_STRIDE_PX]
        if self._same is None or not np.array_equal(sample, self._same):
            self._same = sample.copy()
            self._same_since_ns = frame.captured_ns
        return frame.captured_ns - self._same_since_ns >= _FROZEN_NS

"""One face followed through the frames: detected now and then, followed cheaply in between."""

from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import NDArray

from edge.capture.sample import Frame
from edge.perceive.face_detector import FaceBox, FaceDetector

DETECT_EVERY_S = 0.3
_TEMPLATE_PX = 32  # the face's longer side while it is followed
_REACH = 0.5  # of the face's side: how far it may move between two frames
_SAME_PLACE = 0.6  # normalised correlation below which the face is lost
_FLAT_LEVEL = 4.0  # grey levels: a template with less spread correlates with anything
_SAME_FACE_IOU = 0.2
_STILL = 0.15  # of the face's side: a detection that differs by less is jitter, half of which is smoothed away
_LONGEST_PAUSE_NS = 1_000_000_000
_DUE_TOLERANCE_NS = 20_000_000  # cameras jitter; a detection must not wait for one frame more


@dataclass(frozen=True)
class Track:
    """What the tracker knows after a frame.

    Attributes:
        box: the followed face, or None.
        faces: how many faces the last detection saw.
        detected: this very frame was searched by the detector.
    """

    box: FaceBox | None
    faces: int
    detected: bool


class FaceTracker:
    """Follows the nearest (largest) face and stays with it while others come and go.

    A face that the detector does not confirm when it looks again is gone at once: a covered face must be
    noticed within half a second, so nothing coasts.
    """

    def __init__(self, detector: FaceDetector, detect_every_s: float = DETECT_EVERY_S) -> None:
        self._detector = detector
        self._detect_every_ns = round(detect_every_s * 1e9)
        self._box: FaceBox | None = None
        self._template: NDArray[np.uint8] | None = None
        self._faces = 0
        self._detected_ns: int | None = None
        self._updated_ns: int | None = None

    def update(self, frame: Frame) -> Track:
        """Follows the face into the next frame; a pause of over 1 s starts afresh."""
        now_ns = frame.captured_ns
        if self._updated_ns is not None and not 0 <= now_ns - self._updated_ns <= _LONGEST_PAUSE_NS:
            self._box, self._template, self._faces, self._detected_ns = None, None, 0, None
        self._updated_ns = now_ns
        due = self._detected_ns is None or now_ns - self._detected_ns >= self._detect_every_ns - _DUE_TOLERANCE_NS
        if not due and self._box is not None:
            followed = self._followed(frame.image, self._box)
            # A lost face's last box stays until the detector has looked: it tells which face was meant.
            self._box, due = followed or self._box, followed is None
        if due:
            self._detect(frame)
        return Track(self._box, self._faces, due)

    def _detect(self, frame: Frame) -> None:
        found = self._detector.detect(frame.image)
        self._faces = len(found)
        self._detected_ns = frame.captured_ns
        self._box = self._chosen(found)
        self._template = None
        if self._box is not None:
            patch = _grey_patch(frame.image, self._box, margin=0.0)
            self._template = patch if patch is not None and patch.std() >= _FLAT_LEVEL else None

    def _chosen(self, found: list[FaceBox]) -> FaceBox | None:
        if not found:
            return None
        last = self._box
        if last is not None:
            same = max(found, key=lambda face: _iou(face, last))
            if _iou(same, last) >= _SAME_FACE_IOU:
                return _smoothed(last, same)
        return max(found, key=lambda face: face.width * face.height)

    def _followed(self, image: NDArray[np.uint8], box: FaceBox) -> FaceBox | None:
        """The box where its template is found again, or None."""
        around = _grey_patch(image, box, margin=_REACH)
        if self._template is None or around is None or around.std() < _FLAT_LEVEL:
            return None
        match = cv2.matchTemplate(around, self._template, cv2.TM_CCOEFF_NORMED)
        _low, correlation, _where_low, (column, row) = cv2.minMaxLoc(match)
        if not correlation >= _SAME_PLACE:
            return None
        scale = _TEMPLATE_PX / max(box.width, box.height)
        centre_row, centre_column = (match.shape[0] - 1) / 2, (match.shape[1] - 1) / 2
        return replace(box, x=box.x + (column - centre_column) / scale, y=box.y + (row - centre_row) / scale)


def _grey_patch(image: NDArray[np.uint8], box: FaceBox, margin: float) -> NDArray[np.uint8] | None:
    """The box and ``margin`` (of its longer side) around it, uint8, scaled to a longer side of 32 px.

    The picture's edge is repeated where the patch leaves it, so that the box stays in the middle. None where
    the box's centre has left the picture.
    """
    side = max(box.width, box.height)
    height, width = image.shape[:2]
    x, y = box.x + box.width / 2, box.y + box.height / 2
    if not (0 <= x < width and 0 <= y < height and 1 <= side <= 2 * max(width, height)):
        return None
    stride = max(1, int(side / (3 * _TEMPLATE_PX)))  # a near face has more pixels than are needed
    extent = [max(1, round((length + 2 * margin * side) / stride)) for length in (box.width, box.height)]
    size = [
        max(8, round(length * _TEMPLATE_PX / side)) + 2 * round(margin * _TEMPLATE_PX)
        for length in (box.width, box.height)
    ]
    column, row = x / stride, y / stride
    # Only what is needed is greyed, and one channel is thinned, placed and shrunk instead of three.
    left, above = max(0, int(column - extent[0] / 2) - 2), max(0, int(row - extent[1] / 2) - 2)
    right, below = int(column + extent[0] / 2) + 3, int(row + extent[1] / 2) + 3
    around = image[above * stride : below * stride, left * stride : right * stride]
    grey = cv2.cvtColor(around, cv2.COLOR_BGR2GRAY)[::stride, ::stride]
    # getRectSubPix repeats the edge and places the patch to a fraction of a pixel.
    placed = cv2.getRectSubPix(grey, extent, (column - left, row - above))
    patch: NDArray[np.uint8] = cv2.resize(placed, size, interpolation=cv2.INTER_AREA)
    return patch


def _iou(a: FaceBox, b: FaceBox) -> float:
    width = min(a.x + a.width, b.x + b.width) - max(a.x, b.x)
    height = min(a.y + a.height, b.y + b.height) - max(a.y, b.y)
    if width <= 0 or height <= 0:
        return 0.0
    both = width * height
    return both / (a.width * a.height + b.width * b.height - both)


def _smoothed(last: FaceBox, new: FaceBox) -> FaceBox:
    """Halfway between the two while the face is about still, against jitter; else the new one."""
    limit = _STILL * max(last.width, last.height)
    pairs = ((last.x, new.x), (last.y, new.y), (last.width, new.width), (last.height, new.height))
    if any(abs(a - b) > limit for a, b in pairs):
        return new
    x, y, width, height = ((a + b) / 2 for a, b in pairs)
    return FaceBox(x, y, width, height, new.score)

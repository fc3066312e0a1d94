"""Where the faces are: YuNet when its small net is at hand, OpenCV's own Haar cascade otherwise."""

import hashlib
import logging
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from edge.errors import M3erError

DETECT_SIDE_PX = 320
"""Pictures are scaled down to this longer side: a face a tenth as large as the picture is still found."""
YUNET_FILE = "face_detection_yunet_2023mar.onnx"
YUNET_SHA256 = "8f2383e4dd3cfbb4553ea8718107fc0423210dc964f9f4280604804ed2552fa4"

_SMALLEST_SIDE_PX = 16  # below this there is no face to see, and the detectors raise
_HAAR_FILE = Path(cv2.__file__).parent / "data" / "haarcascade_frontalface_alt2.xml"
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class FaceBox:
    """A face, in pixels of the full image; it may reach over the picture's edge.

    Attributes:
        x, y: the left upper corner.
        width, height: > 0.
        score: 0..1, how sure the detector was.
    """

    x: float
    y: float
    width: float
    height: float
    score: float


class FaceDetector(Protocol):
    """Finds faces; not to be shared between threads."""

    name: str

    def detect(self, image: NDArray[np.uint8]) -> list[FaceBox]:
        """The faces in a BGR uint8 (height, width, 3) image, in no particular order."""
        ...


class YuNetDetector:
    """YuNet, by OpenCV's FaceDetectorYN.

    Raises:
        M3erError: ``model_path`` is missing or no YuNet.
    """

    name = "yunet"
    _MIN_SCORE = 0.7
    _NMS_IOU = 0.3
    _MOST_FACES = 50

    def __init__(self, model_path: Path) -> None:
        if not model_path.is_file():
            raise M3erError(f"{model_path}: no such face detector; give the path of {YUNET_FILE}")
        side = DETECT_SIDE_PX
        try:
            self._net = cv2.FaceDetectorYN.create(
                str(model_path), "", (side, side), self._MIN_SCORE, self._NMS_IOU, self._MOST_FACES
            )
            # Another net loads without complaint; only a run shows that its outputs are not YuNet's.
            self._net.detect(np.zeros((side, side, 3), np.uint8))
        except cv2.error:
            raise M3erError(f"{model_path}: not a YuNet face detector; give {YUNET_FILE} of OpenCV Zoo") from None

    def detect(self, image: NDArray[np.uint8]) -> list[FaceBox]:
        small, scale = _scaled_down(image)
        if min(small.shape[:2]) < _SMALLEST_SIDE_PX:
            return []
        self._net.setInputSize((small.shape[1], small.shape[0]))
        faces = self._net.detect(small)[1]
        if faces is None:
            return []
        # Columns: x, y, width, height, five landmarks (x, y), score.
        return [
            FaceBox(x / scale, y / scale, w / scale, h / scale, min(1.0, score))
            for x, y, w, h, *_landmarks, score in faces.tolist()
            if w > 0 and h > 0
        ]


class HaarDetector:
    """OpenCV's Haar cascade for upright frontal faces: ships with OpenCV, needs no model file.

    Measured on 200 FER+ faces pasted into photographs and 200 pictures without a face: it finds two thirds of
    them where YuNet finds four fifths, with 6 false boxes against 4, at five times YuNet's cost. The cascade
    ``alt2`` gave far fewer false boxes than ``default`` (52) at the same recall.
    """

    name = "haar"
    # Medians over pasted FER+ faces: YuNet's longer side is 1.09 of the cascade's square and its centre lies
    # 0.03 of that square lower. With both corrected, the crop rule sees the same piece of the face.
    _GROW = 1.09
    _LOWER = 0.03
    # Weights of the last stage: true faces 55.0 (2nd percentile), 56.2 (median) to 57.4, false ones about 55.
    _WEIGHT_OF_ZERO = 54.3
    _WEIGHT_SCALE = 0.8
    _MIN_SCORE = 0.5

    def __init__(self) -> None:
        # In opencv-python 5 there are no cascades; pyproject.toml pins 4.
        self._cascade = cv2.CascadeClassifier(str(_HAAR_FILE))

    def detect(self, image: NDArray[np.uint8]) -> list[FaceBox]:
        small, scale = _scaled_down(image)
        if min(small.shape[:2]) < _SMALLEST_SIDE_PX:
            return []
        grey = cv2.equalizeHist(cv2.cvtColor(small, cv2.COLOR_BGR2GRAY))
        boxes, _levels, weights = self._cascade.detectMultiScale3(
            grey, scaleFactor=1.1, minNeighbors=4, minSize=(24, 24), outputRejectLevels=True
        )
        faces = []
        # Without a face both are empty tuples, not arrays.
        for (x, y, side, _), weight in zip(np.reshape(boxes, (-1, 4)).tolist(), np.ravel(weights), strict=True):
            score = 1.0 - float(np.exp((self._WEIGHT_OF_ZERO - weight) / self._WEIGHT_SCALE))
            if score < self._MIN_SCORE:
                continue
            grown = side * self._GROW
            left = x + (side - grown) / 2
            top = y + (side - grown) / 2 + side * self._LOWER
            faces.append(FaceBox(left / scale, top / scale, grown / scale, grown / scale, score))
        return faces


def open_detector(model: Path | None = None) -> FaceDetector:
    """The best detector at hand.

    A path given by ``model`` or by the environment variable M3ER_YUNET must be a YuNet. Without one, the usual
    places are looked through, and Haar is the last resort.

    Raises:
        M3erError: the path that was asked for is missing or no YuNet.
    """
    path = model or find_yunet()
    if path is not None:
        return YuNetDetector(path)
    _log.info("no YuNet model found; faces are detected with OpenCV's Haar cascade, which misses more of them")
    return HaarDetector()


def find_yunet() -> Path | None:
    """What M3ER_YUNET names, whatever it is; else a whole YuNet of the model folders or of ``../shared``, if any."""
    named = os.environ.get("M3ER_YUNET")
    if named:
        return Path(named)
    for folder in (*model_folders(), Path("../shared/data/models")):
        path = folder / YUNET_FILE
        if not (os.access(path, os.R_OK) and path.is_file()):  # access() first: another's home makes is_file() raise
            continue
        if hashlib.sha256(path.read_bytes()).hexdigest() == YUNET_SHA256:
            return path
        _log.warning("%s: ignored, its SHA-256 is not YuNet's; delete it or fetch it again", path)
    return None


def model_folders() -> tuple[Path, Path]:
    """Where public models lie: the user's cache folder, which they are fetched to, and what a system's image brings."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return cache / "m3er-edge", Path("/usr/share/m3er-edge")


def _scaled_down(image: NDArray[np.uint8]) -> tuple[NDArray[np.uint8], float]:
    """The image with its longer side at most 320 px, and what its coordinates were multiplied by."""
    height, width = image.shape[:2]
    scale = DETECT_SIDE_PX / max(height, width, 1)
    if scale >= 1:
        return image, 1.0
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    # Below a half, neighbours alone would leave pixels out; above it they serve, in a sixth of the time.
    how = cv2.INTER_AREA if scale <= 0.5 else cv2.INTER_LINEAR
    small: NDArray[np.uint8] = cv2.resize(image, size, interpolation=how)
    return small, scale

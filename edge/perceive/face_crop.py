"""From a face's box to the face net's input: one code for training and for the device."""

import cv2
import numpy as np
from numpy.typing import NDArray

from edge.perceive.face_detector import FaceBox

CROP_SIZE_PX = 48
"""FER+ has faces of this size."""

_LARGEST_SIDE = 4  # times the picture's longer side: no box may ask for a huge array
_EPS_LEVEL = 10.0  # grey levels


def crop_face(image: NDArray[np.uint8], box: FaceBox, size: int = CROP_SIZE_PX) -> NDArray[np.uint8]:
    """The face as grey levels.

    The square is centred on the box and as wide as the box's longer side: on YuNet's boxes that is how FER+
    was cut. Where it leaves the picture, the picture's edge is repeated.

    Args:
        image: uint8 (height, width, 3), BGR, not empty.
        box: any box of finite numbers, also one outside the picture.
        size: pixels of the result.

    Returns:
        uint8 (size, size).
    """
    height, width = image.shape[:2]
    side = round(min(max(box.width, box.height, 1.0), _LARGEST_SIDE * max(height, width)))
    rows = _span(box.y + box.height / 2, side, height)
    columns = _span(box.x + box.width / 2, side, width)
    grey = cv2.cvtColor(image[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1], cv2.COLOR_BGR2GRAY)
    if len(rows) != len(grey) or len(columns) != len(grey[0]):
        grey = grey.take(rows - rows[0], axis=0).take(columns - columns[0], axis=1)
    crop: NDArray[np.uint8] = cv2.resize(grey, (size, size), interpolation=cv2.INTER_AREA)
    return crop


def face_input(crops: NDArray[np.uint8]) -> NDArray[np.float32]:
    """The face net's input: each crop with its own mean removed and divided by its own spread.

    A dim room, a bright window or a camera's gain changes a face's levels far more than its expression does;
    after this the net sees them alike. ``eps`` of 10 levels keeps a blank crop from becoming amplified noise.

    Args:
        crops: uint8 (n, height, width).

    Returns:
        float32 (n, 1, height, width).
    """
    levels = crops.astype(np.float32)[:, np.newaxis]
    mean = levels.mean(axis=(2, 3), keepdims=True)
    spread = levels.std(axis=(2, 3), keepdims=True)
    standardised: NDArray[np.float32] = (levels - mean) / (spread + np.float32(_EPS_LEVEL))
    return standardised


def _span(centre: float, side: int, length: int) -> NDArray[np.intp]:
    """``side`` indices around ``centre``, held inside 0..length-1, which repeats the picture's edge."""
    first = min(max(centre - side / 2, -float(side)), float(length))  # farther out it looks the same
    return np.clip(np.arange(side) + round(first), 0, length - 1)

"""What ruins a face's picture on a robot: a hand, darkness, blur, JPEG blocks, a crop beside the face.

Three severities each, for measuring the modality check. Encoders learn damage from :func:`ruined` alone, which knows no
hand, so that the measurement also tells about a kind they never met.
"""

from collections.abc import Callable

import cv2
import numpy as np
from numpy.typing import NDArray

from edge.perceive.face_crop import face_input
from export.corpora.face_examples import disturb
from export.corpora.ferplus import Faces
from export.nets.damage_training import DamageExamples

Image = NDArray[np.uint8]


def hand(image: Image, severity: int, rng: np.random.Generator) -> Image:
    """A palm with four fingers over about a third, two thirds or nearly all of the face."""
    side = image.shape[0]
    size = side * (0.42, 0.62, 0.85)[severity]
    skin = rng.uniform(90, 200)
    mask = np.zeros_like(image)
    centre = (side / 2 + rng.uniform(-4, 4, 2)).astype(int)
    turn = rng.uniform(0, 360)
    cv2.ellipse(mask, (centre.tolist(), (size * 1.05, size * 1.15), turn), 255, -1)
    for finger in range(4):
        angle = np.deg2rad(turn + (finger - 1.5) * 17)
        tip = centre + size * 1.25 * np.array([np.sin(angle), -np.cos(angle)])
        cv2.line(mask, centre.tolist(), tip.astype(int).tolist(), 255, max(3, int(size * 0.2)))
    shade = skin + np.linspace(-25, 25, side)[:, None] * rng.choice([-1, 1]) + rng.normal(0, 4, image.shape)
    soft = cv2.GaussianBlur(mask, (3, 3), 0).astype(np.float32) / 255.0
    return _as_image(image * (1 - soft) + shade * soft)


def darkness(image: Image, severity: int, rng: np.random.Generator) -> Image:
    """A third, an eighth, a twenty-fifth of the light; the sensor's own noise stays."""
    return _as_image(image * (0.3, 0.12, 0.04)[severity] + rng.normal(0, 4, image.shape))


def blur(image: Image, severity: int, rng: np.random.Generator) -> Image:
    """Out of focus: a Gaussian of 1.5, 3 or 5 pixels on a face of 48."""
    return np.asarray(cv2.GaussianBlur(image, (0, 0), (1.5, 3.0, 5.0)[severity] * rng.uniform(0.9, 1.1)), np.uint8)


def jpeg(image: Image, severity: int, rng: np.random.Generator) -> Image:
    """Blocks of a starved video stream: JPEG quality of about 12, 6 or 2."""
    return _packed(image, int((12, 6, 2)[severity] + rng.integers(0, 2)))


def wrong_crop(image: Image, severity: int, rng: np.random.Generator) -> Image:
    """The tracker sits on a corner of the face: 1 / 1.5, 1 / 2 or 1 / 3 of its side."""
    side = image.shape[0]
    part = round(side / (1.5, 2.0, 3.0)[severity])
    top, left = (int(v) for v in rng.choice([0, side - part], 2))
    return np.asarray(cv2.resize(image[top : top + part, left : left + part], (side, side)), np.uint8)


KINDS: dict[str, Callable[[Image, int, np.random.Generator], Image]] = {
    "hand": hand,
    "darkness": darkness,
    "blur": blur,
    "JPEG blocks": jpeg,
    "wrong crop": wrong_crop,
}


def face_damage_examples(faces: Faces) -> DamageExamples:
    """Sound: as disturbed for emotions, before a stranger camera, in stranger light."""

    def sound(numbers: NDArray[np.int64], rng: np.random.Generator) -> NDArray[np.float32]:
        return face_input(np.stack([_strange(disturb(faces.images[n], rng), rng) for n in numbers]))

    def spoilt(numbers: NDArray[np.int64], rng: np.random.Generator) -> NDArray[np.float32]:
        return face_input(np.stack([ruined(disturb(faces.images[n], rng), rng) for n in numbers]))

    return DamageExamples(sound, spoilt, len(faces.images))


def _strange(image: NDArray[np.uint8], rng: np.random.Generator) -> NDArray[np.uint8]:
    """Another camera: softer, harder or softer contrast, light from one side, coarse compression."""
    value = image.astype(np.float32)
    if rng.random() < 0.5:
        value = cv2.GaussianBlur(value, (0, 0), rng.uniform(0.3, 1.2)).astype(np.float32)
    slope = np.linspace(-1, 1, image.shape[0], dtype=np.float32) * np.float32(rng.uniform(0, 50))
    value = value + (slope[:, None] if rng.random() < 0.5 else slope)
    value = (value - 128) * rng.uniform(0.4, 1.5) + 128 + rng.uniform(-30, 30)
    out: NDArray[np.uint8] = np.clip(value, 0, 255).astype(np.uint8)
    if rng.random() < 0.3:
        out = _packed(out, int(rng.integers(30, 90)))
    return out


def ruined(image: Image, rng: np.random.Generator) -> Image:
    """A face that no encoder should be trusted with, for training: a patch, darkness, blur, noise, blocks
    or a bad crop."""
    kind = rng.integers(6)
    if kind == 0:
        return _patched(image, rng)
    if kind == 1:
        return _as_image(image * rng.uniform(0.01, 0.12) + rng.normal(0, rng.uniform(1, 6), image.shape))
    if kind == 2:
        return np.asarray(cv2.GaussianBlur(image, (0, 0), rng.uniform(3.0, 7.0)), np.uint8)
    if kind == 3:
        return _as_image(image + rng.normal(0, rng.uniform(50, 150), image.shape))
    if kind == 4:
        return _packed(image, int(rng.integers(1, 6)))
    return _elsewhere(image, rng)


def _patched(image: Image, rng: np.random.Generator) -> Image:
    """A smooth, shaded patch of any grey over most of the face."""
    side = image.shape[0]
    height, width = rng.integers(int(side * 0.6), side + 1, 2)
    top, left = rng.integers(0, side - height + 1), rng.integers(0, side - width + 1)
    shade = cv2.resize(rng.uniform(0, 255, (2, 2)).astype(np.float32), (int(width), int(height)))
    out = image.astype(np.float32)
    out[top : top + height, left : left + width] = shade + rng.normal(0, rng.uniform(0, 12), shade.shape)
    return _as_image(out)


def _elsewhere(image: Image, rng: np.random.Generator) -> Image:
    """A part of the tile that misses most of the face, at any place along its edges."""
    side = image.shape[0]
    part = int(side / rng.uniform(2.0, 4.0))
    along = int(rng.integers(0, side - part + 1))
    top, left = [(0, along), (side - part, along), (along, 0), (along, side - part)][rng.integers(4)]
    return np.asarray(cv2.resize(image[top : top + part, left : left + part], (side, side)), np.uint8)


def _packed(image: Image, quality: int) -> Image:
    """As JPEG of this quality gives it back."""
    _, packed = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, quality])
    return np.asarray(cv2.imdecode(packed, cv2.IMREAD_GRAYSCALE), np.uint8)


def _as_image(values: NDArray[np.floating]) -> Image:
    image: Image = np.clip(values, 0, 255).astype(np.uint8)
    return image

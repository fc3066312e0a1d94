"""Faces as an encoder's training examples, disturbed as a robot's camera disturbs them."""

import cv2
import numpy as np
from numpy.typing import NDArray

from edge.perceive.face_crop import face_input
from export.corpora.ferplus import Faces
from export.nets.encoder_training import Examples, Target

_CLASS_POWER = 0.35
"""Rare emotions weigh (1 / share) ** this: between ignoring the imbalance and letting 300 faces of disgust rule."""


def face_examples(faces: Faces) -> Examples:
    """Soft labels are the vote shares; the loss weight lifts rare emotions a little."""
    share = faces.votes.mean(axis=0)
    weight = (faces.votes * (share.mean() / share) ** _CLASS_POWER).sum(axis=1)

    def make_inputs(numbers: NDArray[np.int64], rng: np.random.Generator | None) -> NDArray[np.float32]:
        images = faces.images[numbers]
        if rng is not None:
            images = np.stack([disturb(image, rng) for image in images])
        return face_input(images)

    target = Target(faces.votes, (weight / weight.mean()).astype(np.float32))
    return Examples(make_inputs, {"votes": target})


def disturb(image: NDArray[np.uint8], rng: np.random.Generator) -> NDArray[np.uint8]:
    """Mirror, turn, scale, shift, light, noise, blur and a small occlusion; uint8 (48, 48) in and out."""
    side = image.shape[0]
    turn = cv2.getRotationMatrix2D((side / 2 - 0.5, side / 2 - 0.5), rng.uniform(-12, 12), rng.uniform(0.9, 1.1))
    turn[:, 2] += rng.uniform(-3, 3, 2)
    if rng.random() < 0.5:
        image = image[:, ::-1]
    out = cv2.warpAffine(image, turn, (side, side), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    if rng.random() < 0.1:
        out = cv2.GaussianBlur(out, (3, 3), 0)
    value = (out.astype(np.float32) / 255.0) ** rng.uniform(0.75, 1.35)
    value = 255.0 * value * rng.uniform(0.7, 1.1)
    if rng.random() < 0.3:
        value += rng.standard_normal(out.shape, dtype=np.float32) * rng.uniform(0, 8)
    if rng.random() < 0.2:
        height, width = rng.integers(6, 20, 2)
        top, left = rng.integers(-4, side - 4, 2)
        value[max(top, 0) : top + height, max(left, 0) : left + width] = rng.uniform(0, 255)
    disturbed: NDArray[np.uint8] = np.clip(value, 0, 255).astype(np.uint8)
    return disturbed

"""Pictures that are not worth looking at: dark, covered, frozen."""

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from edge.capture.sample import Frame
from edge.perceive.picture_evidence import PictureEvidence

Image = NDArray[np.uint8]
FRAME_NS = 100_000_000


@pytest.fixture(scope="module")
def astronaut() -> Image:
    """BGR, 512 x 512; the face is about 90 x 112 px around (224, 119)."""
    data = pytest.importorskip("skimage.data")
    image: Image = np.ascontiguousarray(data.astronaut()[:, :, ::-1])
    return image


def noisy(image: Image, spread: float, seed: int = 0) -> Image:
    levels = image + np.random.default_rng(seed).normal(0, spread, image.shape)
    return levels.clip(0, 255).astype(np.uint8)


def verdict(image: Image) -> str | None:
    return PictureEvidence().update(Frame(0, image))


@pytest.mark.parametrize(
    "name", ["astronaut", "coffee", "chelsea", "rocket", "page", "moon", "brick", "hubble_deep_field"]
)
def test_a_normal_picture_is_never_useless(name: str) -> None:
    data = pytest.importorskip("skimage.data")
    image = np.asarray(getattr(data, name)())
    bgr: Image = image[:, :, ::-1].copy() if image.ndim == 3 else np.repeat(image[..., np.newaxis], 3, axis=2)
    evidence = PictureEvidence()
    for seed in range(15):
        assert evidence.update(Frame(seed * FRAME_NS, noisy(bgr, 2.0, seed))) is None
    assert evidence.sharpness > 0.4
    # Less light, less contrast or poor focus is still a picture.
    assert verdict(noisy((bgr * 0.3).astype(np.uint8), 2.0)) is None
    assert verdict(cv2.GaussianBlur(bgr, (0, 0), bgr.shape[1] / 128)) is None


def test_sharpness_falls_with_focus(astronaut: Image) -> None:
    evidence = PictureEvidence()
    seen = []
    for blur_px in (0.1, 4, 12, 25):
        evidence.update(Frame(0, cv2.GaussianBlur(astronaut, (0, 0), blur_px)))
        seen.append(evidence.sharpness)
    assert seen == sorted(seen, reverse=True) and seen[0] > 0.9 and seen[-1] < 0.4


@pytest.mark.parametrize(("level", "noise"), [(0, 0), (0, 12), (5, 2), (7, 6)])
def test_dark(level: int, noise: float) -> None:
    assert verdict(noisy(np.full((480, 640, 3), level, np.uint8), noise)) == "dark"


def test_a_lamp_in_a_dark_room_is_not_dark(astronaut: Image) -> None:
    picture = np.zeros((480, 640, 3), np.uint8)
    picture[100:200, 100:200] = astronaut[100:200, 180:280]
    assert verdict(noisy(picture, 3.0)) is None


@pytest.mark.parametrize(("level", "noise"), [(30, 0), (30, 12), (128, 6), (128, 20), (250, 4)])
def test_covered_or_blank(level: int, noise: float) -> None:
    assert verdict(noisy(np.full((480, 640, 3), level, np.uint8), noise)) == "covered"


def test_a_hand_before_the_lens_is_covered() -> None:
    rows, columns = np.mgrid[:480, :640]
    hand = np.stack([20 + columns * 0.04, 30 + rows * 0.05, 70 + columns * 0.22], axis=-1)
    assert verdict(noisy(hand.astype(np.uint8), 4.0)) == "covered"


def test_frozen_after_three_quarters_of_a_second(astronaut: Image) -> None:
    evidence = PictureEvidence()
    seen = [evidence.update(Frame(at * FRAME_NS, astronaut)) for at in range(12)]
    assert seen == [None] * 8 + ["frozen"] * 4
    assert evidence.update(Frame(12 * FRAME_NS, noisy(astronaut, 1.0))) is None
    assert evidence.update(Frame(13 * FRAME_NS, astronaut)) is None

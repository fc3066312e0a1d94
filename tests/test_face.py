"""Faces found, followed, lost and cropped; pictures that are not worth looking at."""

from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from edge.capture.sample import Frame
from edge.errors import M3erError
from edge.perceive.face_crop import CROP_SIZE_PX, crop_face, face_input
from edge.perceive.face_detector import (
    YUNET_FILE,
    FaceBox,
    FaceDetector,
    HaarDetector,
    YuNetDetector,
    open_detector,
)
from edge.perceive.face_tracker import FaceTracker, Track

Image = NDArray[np.uint8]
SHARED_YUNET = Path(__file__).parents[2] / "shared/data/models" / YUNET_FILE
FRAME_NS = 100_000_000


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> Iterator[None]:
    threads = cv2.getNumThreads()
    cv2.setNumThreads(1)
    yield
    cv2.setNumThreads(threads)


@pytest.fixture(scope="module")
def astronaut() -> Image:
    """BGR, 512 x 512; the face is about 90 x 112 px around (224, 119)."""
    data = pytest.importorskip("skimage.data")
    image: Image = np.ascontiguousarray(data.astronaut()[:, :, ::-1])
    return image


@pytest.fixture(scope="module", params=["haar", "yunet"])
def detector(request: pytest.FixtureRequest) -> FaceDetector:
    if request.param == "haar":
        return HaarDetector()
    if not SHARED_YUNET.is_file():
        pytest.skip(f"{SHARED_YUNET} is not on this machine")
    return YuNetDetector(SHARED_YUNET)


def room(width: int = 640, height: int = 480) -> Image:
    """A smooth room without a face, with a little sensor noise."""
    rows, columns = np.mgrid[:height, :width]
    level = 90 + 40 * np.sin(columns / 90) + 30 * np.cos(rows / 70)
    noisy = level[..., np.newaxis] + np.random.default_rng(3).normal(0, 3, (height, width, 3))
    image: Image = noisy.clip(0, 255).astype(np.uint8)
    return image


def head(astronaut: Image, side_px: int) -> Image:
    """The astronaut's head, square."""
    size = (side_px, side_px)
    image: Image = cv2.resize(astronaut[30:210, 134:314], size, interpolation=cv2.INTER_AREA)
    return image


def pasted(picture: Image, piece: Image, x: int, y: int) -> Image:
    result: Image = picture.copy()
    result[y : y + piece.shape[0], x : x + piece.shape[1]] = piece
    return result


def centre(box: FaceBox) -> tuple[float, float]:
    return box.x + box.width / 2, box.y + box.height / 2


# --- detection ---------------------------------------------------------------------------------------------------


def test_a_face_is_found(detector: FaceDetector, astronaut: Image) -> None:
    (face,) = detector.detect(astronaut)
    assert centre(face) == pytest.approx((224, 119), abs=8)
    assert 95 <= max(face.width, face.height) <= 125
    assert 0.7 <= face.score <= 1.0


def test_the_box_is_in_pixels_of_the_full_image(detector: FaceDetector, astronaut: Image) -> None:
    (face,) = detector.detect(cv2.resize(astronaut, (1536, 1536)))
    assert centre(face) == pytest.approx((672, 357), abs=24)


def test_both_detectors_give_the_same_crop(astronaut: Image) -> None:
    if not SHARED_YUNET.is_file():
        pytest.skip(f"{SHARED_YUNET} is not on this machine")
    crops = [crop_face(astronaut, d.detect(astronaut)[0]) for d in (HaarDetector(), YuNetDetector(SHARED_YUNET))]
    assert np.corrcoef(crops[0].ravel(), crops[1].ravel())[0, 1] > 0.85


def test_no_face(detector: FaceDetector) -> None:
    assert detector.detect(room()) == []
    assert detector.detect(np.zeros((480, 640, 3), np.uint8)) == []
    assert detector.detect(np.zeros((4, 900, 3), np.uint8)) == []


def test_five_faces(detector: FaceDetector, astronaut: Image) -> None:
    picture = room(1280, 720)
    places = [(40, 60, 260), (360, 300, 300), (700, 40, 280), (1000, 380, 270), (60, 420, 250)]
    for x, y, side in places:
        picture = pasted(picture, head(astronaut, side), x, y)
    faces = detector.detect(picture)
    assert len(faces) == 5
    for x, y, side in places:
        assert any(np.hypot(*np.subtract(centre(face), (x + side / 2, y + side / 2))) < side / 8 for face in faces)


def test_an_asked_for_model_must_be_a_yunet(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(M3erError, match="no such face detector"):
        open_detector(tmp_path / "missing.onnx")
    wrong = tmp_path / "wrong.onnx"
    wrong.write_bytes(b"not a net")
    with pytest.raises(M3erError, match="not a YuNet"):
        open_detector(wrong)
    monkeypatch.setenv("M3ER_YUNET", str(wrong))
    with pytest.raises(M3erError, match="not a YuNet"):
        open_detector()


def test_another_net_is_no_yunet() -> None:
    other = SHARED_YUNET.parents[1] / "peers"
    nets = sorted(other.glob("**/*.onnx"))
    if not nets:
        pytest.skip(f"no other net in {other}")
    with pytest.raises(M3erError, match="not a YuNet"):
        YuNetDetector(nets[0])


def test_without_a_model_haar_serves(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.delenv("M3ER_YUNET", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    with caplog.at_level("INFO"):
        assert open_detector().name == "haar"
    assert "Haar" in caplog.text
    cached = tmp_path / "cache/m3er-edge" / YUNET_FILE
    cached.parent.mkdir(parents=True)
    cached.write_bytes(b"half a download")
    assert open_detector().name == "haar"
    assert str(cached) in caplog.text and "SHA-256" in caplog.text
    if SHARED_YUNET.is_file():
        cached.write_bytes(SHARED_YUNET.read_bytes())
        assert open_detector().name == "yunet"


# --- tracking ----------------------------------------------------------------------------------------------------


class CountedDetector:
    """Another detector's eyes, or a list of boxes, with a count of how often it looked."""

    name = "counted"

    def __init__(self, boxes: list[FaceBox] | None = None, inner: FaceDetector | None = None) -> None:
        self.boxes = boxes or []
        self.inner = inner
        self.looks = 0

    def detect(self, image: Image) -> list[FaceBox]:
        self.looks += 1
        return self.inner.detect(image) if self.inner else list(self.boxes)


def play(tracker: FaceTracker, pictures: list[Image], start_ns: int = 0) -> list[Track]:
    """The pictures at 10 frames/s."""
    return [tracker.update(Frame(start_ns + i * FRAME_NS, picture)) for i, picture in enumerate(pictures)]


def test_a_moving_face_is_followed(detector: FaceDetector, astronaut: Image) -> None:
    counted = CountedDetector(inner=detector)
    tracker = FaceTracker(counted)
    face = head(astronaut, 180)
    xs = [60 + 16 * i for i in range(20)]
    tracks = play(tracker, [pasted(room(), face, x, 120 + x // 10) for x in xs])
    for x, track in zip(xs, tracks, strict=True):
        assert track.box is not None and track.faces == 1
        assert centre(track.box) == pytest.approx((x + 90, 120 + x // 10 + 89), abs=12)
    assert counted.looks <= 8
    assert sum(track.detected for track in tracks) == counted.looks


@pytest.mark.parametrize("cover_level", [0, 25, 128])
def test_a_covered_face_is_lost_within_half_a_second(
    detector: FaceDetector, astronaut: Image, cover_level: int
) -> None:
    seen = pasted(room(), head(astronaut, 180), 200, 150)
    covered = seen.copy()
    covered[140:340, 190:390] = cover_level
    tracker = FaceTracker(detector)
    assert play(tracker, [seen] * 8)[-1].box is not None
    after = play(tracker, [covered] * 6, start_ns=8 * FRAME_NS)
    assert after[4].box is None and after[5].box is None
    back = play(tracker, [seen] * 5, start_ns=14 * FRAME_NS)
    assert back[-1].box is not None


def test_a_face_that_is_not_confirmed_is_gone_at_once(astronaut: Image) -> None:
    counted = CountedDetector([FaceBox(179, 63, 90, 112, 0.9)])
    tracker = FaceTracker(counted)
    assert all(track.box is not None for track in play(tracker, [astronaut] * 3))
    counted.boxes = []
    track = tracker.update(Frame(3 * FRAME_NS, astronaut))
    assert track == Track(None, 0, True)
    # While nobody is there the detector looks every 0.3 s, not at every frame.
    looks = counted.looks
    play(tracker, [astronaut] * 6, start_ns=4 * FRAME_NS)
    assert counted.looks == looks + 2


def test_the_nearest_face_is_chosen_and_kept(astronaut: Image) -> None:
    near, far = FaceBox(179, 63, 90, 112, 0.8), FaceBox(400, 300, 60, 70, 0.95)
    counted = CountedDetector([far, near])
    tracker = FaceTracker(counted)
    first = tracker.update(Frame(0, astronaut))
    assert first == Track(near, 2, True)
    counted.boxes = [FaceBox(300, 200, 200, 200, 0.99), FaceBox(183, 65, 90, 112, 0.7)]
    for at in range(1, 8):
        box = tracker.update(Frame(at * FRAME_NS, astronaut)).box
        assert box is not None and abs(box.x - 180) < 5
        assert box.score == (0.7 if at >= 3 else 0.8)


def test_jitter_is_smoothed_and_a_jump_is_not(astronaut: Image) -> None:
    counted = CountedDetector([FaceBox(180, 60, 90, 112, 0.9)])
    tracker = FaceTracker(counted, detect_every_s=0.1)
    tracker.update(Frame(0, astronaut))
    counted.boxes = [FaceBox(184, 60, 90, 112, 0.9)]
    box = tracker.update(Frame(FRAME_NS, astronaut)).box
    assert box is not None and box.x == pytest.approx(182)
    counted.boxes = [FaceBox(212, 60, 90, 112, 0.9)]
    box = tracker.update(Frame(2 * FRAME_NS, astronaut)).box
    assert box is not None and box.x == pytest.approx(212)


def test_a_pause_starts_afresh(astronaut: Image) -> None:
    counted = CountedDetector([FaceBox(179, 63, 90, 112, 0.9)])
    tracker = FaceTracker(counted, detect_every_s=10.0)
    play(tracker, [astronaut] * 5)
    assert counted.looks == 1
    counted.boxes = [FaceBox(20, 20, 60, 60, 0.8), FaceBox(179, 63, 50, 50, 0.9)]
    track = tracker.update(Frame(FRAME_NS * 20, astronaut))
    assert track == Track(counted.boxes[0], 2, True)


@settings(max_examples=60, deadline=None)
@given(x=st.floats(-2000, 2000), y=st.floats(-2000, 2000), width=st.floats(0.1, 4000), height=st.floats(0.1, 4000))
def test_the_tracker_survives_any_box(x: float, y: float, width: float, height: float) -> None:
    counted = CountedDetector([FaceBox(x, y, width, height, 0.9)])
    tracker = FaceTracker(counted)
    for at in range(3):
        assert tracker.update(Frame(at * FRAME_NS, room(160, 120))).faces == 1


# --- crop and input ----------------------------------------------------------------------------------------------

ANY_LENGTH = st.floats(-1e7, 1e7, allow_nan=False)


@settings(max_examples=200, deadline=None)
@given(
    x=ANY_LENGTH,
    y=ANY_LENGTH,
    width=ANY_LENGTH,
    height=ANY_LENGTH,
    rows=st.integers(1, 90),
    columns=st.integers(1, 90),
)
def test_any_box_gives_a_crop(x: float, y: float, width: float, height: float, rows: int, columns: int) -> None:
    image = np.random.default_rng(rows).integers(0, 256, (rows, columns, 3), dtype=np.uint8)
    crop = crop_face(image, FaceBox(x, y, width, height, 0.5))
    assert crop.shape == (CROP_SIZE_PX, CROP_SIZE_PX) and crop.dtype == np.uint8


def test_the_crop_is_a_square_on_the_box() -> None:
    image = np.zeros((200, 300, 3), np.uint8)
    image[52:148, 102:198] = 200  # a square of 96 around (150, 100)
    exact = crop_face(image, FaceBox(112, 52, 76, 96, 1.0))
    assert exact.min() == 200
    wider = crop_face(image, FaceBox(54, 60, 192, 80, 1.0))
    assert wider[24, 24] == 200 and wider[2, 24] == wider[24, 2] == wider[-3, 24] == 0
    assert (wider > 100).mean() == pytest.approx(0.25, abs=0.02)


def test_beyond_the_edge_the_edge_is_repeated() -> None:
    image = np.zeros((100, 100, 3), np.uint8)
    image[:, 0] = 90
    image[:, 1:] = 10
    crop = crop_face(image, FaceBox(-48, 0, 96, 96, 1.0))
    assert np.all(crop[:, :23] == 90) and np.all(crop[:, 26:] == 10)
    outside = crop_face(image, FaceBox(-5000, 20, 60, 60, 1.0))
    assert np.all(outside == 90)


def test_the_input_does_not_know_brightness_and_contrast(astronaut: Image) -> None:
    crop = crop_face(astronaut, FaceBox(179, 63, 90, 112, 0.9))
    dim = (crop * 0.6 + 20).astype(np.uint8)
    bright, dimmed, blank = face_input(np.stack([crop, dim, np.full_like(crop, 77)]))
    assert bright.shape == (1, 48, 48) and bright.dtype == np.float32
    assert bright.mean() == pytest.approx(0, abs=1e-4) and 0.7 < bright.std() < 1
    assert np.abs(bright - dimmed).max() < 0.4
    assert np.all(blank == 0)
    assert face_input(np.zeros((0, 48, 48), np.uint8)).shape == (0, 1, 48, 48)

"""Pictures to the face encoder's input: the tracked face's crops since the last step."""

import numpy as np
from numpy.typing import NDArray

from edge.capture.sample import Frame
from edge.perceive.face_crop import crop_face, face_input
from edge.perceive.face_detector import FaceBox
from edge.perceive.face_tracker import FaceTracker
from edge.perceive.percept import Percept, absent
from edge.perceive.picture_evidence import PictureEvidence

NO_PICTURE = "no picture"
_FRESH_NS = 600_000_000
MOST_CROPS = 3
"""Crops encoded a step: their mean feature is steadier than one, and more than three add only cost."""


class FacePerception:
    """Feed every frame; ask for the percept at a step."""

    def __init__(self, tracker: FaceTracker) -> None:
        self._tracker = tracker
        self._evidence = PictureEvidence()
        self._crops: list[tuple[NDArray[np.uint8], int, float]] = []
        self._captured_ns: int | None = None
        self._reason: str | None = None
        self.faces = 0
        """How many faces are seen; the nearest one is followed."""
        self.box: FaceBox | None = None
        """Where that one is in the last picture."""

    def push(self, frame: Frame) -> None:
        """Look at a frame: is the picture usable, where is the face, cut it out."""
        self._captured_ns = frame.captured_ns
        self._reason, self.box = self._evidence.update(frame), None
        if self._reason is None:
            track = self._tracker.update(frame)
            self.faces, self.box = track.faces, track.box
            if track.box is None:
                self._reason = "no face"
            else:
                self._crops.append((crop_face(frame.image, track.box), frame.captured_ns, track.box.score))
        else:
            self.faces = 0
        if self._reason is not None:
            self._crops.clear()  # a face seen just before the hand came is not the face of this step

    def percept(self, now_ns: int) -> Percept:
        """The newest crops since the last step, each float32 (1, 1, 48, 48)."""
        crops, self._crops = self._crops[-MOST_CROPS:], []
        if self._captured_ns is None:
            return absent(NO_PICTURE)
        if now_ns - self._captured_ns > _FRESH_NS:
            self.faces = 0
            return absent(NO_PICTURE, self._captured_ns)
        if self._reason is not None or not crops:
            return absent(self._reason or NO_PICTURE, self._captured_ns)
        images = face_input(np.stack([crop for crop, _, _ in crops]))
        return Percept(tuple(images[:, None]), crops[-1][1], min(score for _, _, score in crops), None)

"""One clip before the device's perception: which crop and which window it would encode at each step."""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edge.capture.media_file import MediaFile
from edge.capture.sample import AudioBlock, Frame, Sample
from edge.perceive.face_crop import crop_face
from edge.perceive.face_detector import FaceDetector
from edge.perceive.face_perception import FacePerception
from edge.perceive.face_tracker import FaceTracker, Track
from edge.perceive.speech_perception import SpeechPerception
from export.corpora.clip import Clip
from export.corpora.vote_matched import STEPS

HOP_NS = 500_000_000


@dataclass(frozen=True)
class Step:
    """What the device would have at a step: a uint8 (48, 48) crop and a float32 (300, 48) window, or None."""

    at_ns: int
    face: NDArray[np.uint8] | None
    speech: NDArray[np.float32] | None


class Watch:
    """One clip before the device's perception, in the clip's own time. Raises M3erError if its sound is unreadable."""

    def __init__(self, clip: Clip, detector: FaceDetector) -> None:
        self._clip = clip
        self._begin_ns = round((clip.begin_s or 0.0) * 1e9)
        self._end_ns = None if clip.end_s is None else round(clip.end_s * 1e9)
        self._tracker = _CropKeeper(detector)
        self._face = FacePerception(self._tracker)
        self._speech = SpeechPerception()
        self._sound = None if clip.sound is None else deque(_blocks(clip.sound))
        self._steps: deque[Step] = deque(maxlen=STEPS)
        self._next_ns = HOP_NS
        self._last_ns = -1

    def push(self, sample: Sample) -> bool:
        """Take a sample of the media file if it belongs to the clip; False when the clip is over."""
        if self._end_ns is not None and sample.captured_ns > self._end_ns:
            return False
        at_ns = sample.captured_ns - self._begin_ns
        if at_ns >= 0 and not (self._sound is not None and isinstance(sample, AudioBlock)):
            self._hear(at_ns)
            self._take(replace(sample, captured_ns=at_ns))
        return True

    def steps(self) -> list[Step]:
        """The last STEPS steps, the last one repeated if there are fewer; none if there was no sample."""
        self._hear(None)
        if self._last_ns < 0:
            return []
        # The last step comes when all is said, at most half a hop after or one and a half after the one before.
        if not self._steps or self._last_ns - self._steps[-1].at_ns >= HOP_NS // 2:
            self._step(max(self._last_ns, 1))
        steps = list(self._steps)
        return steps + steps[-1:] * (STEPS - len(steps))

    def _hear(self, until_ns: int | None) -> None:
        while self._sound and (until_ns is None or self._sound[0].captured_ns <= until_ns):
            self._take(self._sound.popleft())

    def _take(self, sample: Sample) -> None:
        while sample.captured_ns > self._next_ns:
            self._step(self._next_ns)
            self._next_ns += HOP_NS
        if isinstance(sample, Frame):
            self._face.push(replace(sample, image=_half(sample.image, self._clip.side)))
        else:
            self._speech.push(sample)
        self._last_ns = max(self._last_ns, sample.captured_ns)

    def _step(self, at_ns: int) -> None:
        face, speech = self._face.percept(at_ns), self._speech.percept(at_ns)
        crop = self._tracker.crop if face.inputs else None
        self._steps.append(Step(at_ns, crop, speech.inputs[0][0, 0] if speech.inputs else None))


def watch(media: Path, watches: Sequence[Watch]) -> None:
    """Feed all clips of one file; stop when the last of them is over."""
    with MediaFile(media) as file:
        for sample in file.samples():
            waiting = [each.push(sample) for each in watches]
            if not any(waiting):
                return


class _CropKeeper(FaceTracker):
    """The device's tracker, which also keeps the newest crop: as grey levels it can be disturbed in training."""

    crop: NDArray[np.uint8] | None = None

    def update(self, frame: Frame) -> Track:
        track = super().update(frame)
        self.crop = None if track.box is None else crop_face(frame.image, track.box)
        return track


def _blocks(sound: Path) -> list[AudioBlock]:
    with MediaFile(sound) as file:
        return [sample for sample in file.samples() if isinstance(sample, AudioBlock)]


def _half(image: NDArray[np.uint8], side: str) -> NDArray[np.uint8]:
    middle = image.shape[1] // 2
    halves = {"left": image[:, :middle], "right": image[:, middle:]}
    return np.ascontiguousarray(halves[side]) if side else image

"""Sound to the speech encoder's input: streaming log-mel, and whether somebody can be heard in it."""

import numpy as np
from numpy.typing import NDArray

from edge.capture.sample import SAMPLE_RATE_HZ, AudioBlock
from edge.perceive.log_mel import FRAME_HOP_S, MEL_BINS, WINDOW_FRAMES, LogMel, speech_input
from edge.perceive.percept import Percept, absent
from edge.perceive.sound_evidence import SoundEvidence

NO_SOUND = "no sound"
_FRESH_NS = 600_000_000
_LEAST_FRAMES = round(0.3 / FRAME_HOP_S)
_GAP_NS = 1_000_000_000
"""Where more sound than this is missing (a microphone came back), what was before belongs to another moment."""
_RUINS = frozenset({"noise", "clipped", "no signal", "dc offset"})


class SpeechPerception:
    """Feed every block of sound; ask for the percept at a step."""

    def __init__(self) -> None:
        self._log_mel = LogMel()
        self._evidence = SoundEvidence()
        self._frames: NDArray[np.float32] = np.empty((0, MEL_BINS), np.float32)
        self._captured_ns: int | None = None
        self._verdict = self._evidence.verdict()

    def push(self, block: AudioBlock) -> None:
        """Take in a block. Each log-mel frame is computed here, once."""
        length_ns = len(block.samples) * 1_000_000_000 // SAMPLE_RATE_HZ
        if self._captured_ns is not None and block.captured_ns - length_ns - self._captured_ns > _GAP_NS:
            self._log_mel, self._frames = LogMel(), self._frames[:0]
            self._evidence.restart()
        frames = self._log_mel.push(block.samples)
        self._evidence.push(block.samples, frames)
        self._frames = np.concatenate([self._frames, frames])[-WINDOW_FRAMES:]
        self._captured_ns = block.captured_ns
        self._verdict = self._evidence.verdict()
        if self._verdict[0] in _RUINS:
            self._frames = self._frames[:0]  # what was ruined must not stand in the window of what comes after

    def percept(self, now_ns: int) -> Percept:
        """The last 3 s of log-mel if somebody speaks, float32 (1, 1, WINDOW_FRAMES, MEL_BINS)."""
        if self._captured_ns is None:
            return absent(NO_SOUND)
        if now_ns - self._captured_ns > _FRESH_NS:
            return absent(NO_SOUND, self._captured_ns)
        reason, quality = self._verdict
        if reason is None and len(self._frames) < _LEAST_FRAMES:
            reason = "just began"
        if reason is not None:
            return absent(reason, self._captured_ns)
        return Percept((speech_input(self._frames)[None],), self._captured_ns, quality, None)

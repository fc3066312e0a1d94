"""Is the microphone's sound worth listening to: dead, clipped, drowned, or just nobody speaking.

Speech rises and falls: over 0.8 s its loud frames stand 10 dB and more above its quiet ones. Fans, motors and hiss
do not. That tells speech from noise without a model of either; noise that itself comes and goes (music, other
people) is left to the modality check.
"""

from collections import deque

import numpy as np
from numpy.typing import NDArray

from edge.capture.sample import SAMPLE_RATE_HZ
from edge.perceive.log_mel import FRAME_HOP_S, frame_level_db
from edge.perceive.quantile import quantiles

_LOOK_FRAMES = round(0.8 / FRAME_HOP_S)
_LOOK_SAMPLES = round(0.5 * SAMPLE_RATE_HZ)
_FLOOR_FRAMES = round(30.0 / FRAME_HOP_S)

# Measured, and held by tests/test_sound_evidence.py. Depth of steady noise (99 % of the steps are below): white 2.4,
# pink 2.0, fan 3.1 to 4.9 dB. Depth of speech (95 % are above): espeak-ng clean 19, with a fan at 10 dB SNR 17, with
# pink noise 10, with white 6.8 dB; RAVDESS clean 17.5 dB. A pure rumble without any hiss above it (nothing but 60 to
# 200 Hz) has 9 to 13 dB and passes for speech: too few waves fit into a frame for its level to be steady.
_DEPTH_OF_SPEECH_DB = 6.0
_DEPTH_OF_CLEAN_SPEECH_DB = 30.0
_LOUD_ABOVE_FLOOR_DB = 10.0
_LOUD_DB = 100.0
"""About -35 dBFS: so loud, and steady, is noise even where it has never been quieter."""
_INAUDIBLE_DB = 60.0
"""About -75 dBFS: below it, nothing is speech worth encoding."""
_CLIPPED_SHARE = 0.02
_FULL_SCALE = 32_700
_OFFSET = 3_277.0
"""A tenth of full scale: a sound card's own offset is below a hundredth, a broken input's above a fifth."""


class SoundEvidence:
    """Feed every block and its log-mel frames; ask for the verdict at a step."""

    def __init__(self) -> None:
        self._levels: deque[float] = deque(maxlen=_LOOK_FRAMES)
        self._past_levels: deque[float] = deque(maxlen=_FLOOR_FRAMES)
        self._raw: NDArray[np.int16] = np.empty(0, np.int16)

    def push(self, samples: NDArray[np.int16], frames: NDArray[np.float32]) -> None:
        """Args: samples: int16 (n,) at 16 kHz; frames: float32 (m, mel bins), the log-mel frames it completed."""
        self._raw = np.concatenate([self._raw, samples])[-_LOOK_SAMPLES:]
        if len(frames):
            levels = frame_level_db(frames).tolist()
            self._levels.extend(levels)
            self._past_levels.extend(levels)

    def restart(self) -> None:
        """Sound is missing here: the last moment is over; how quiet it can be is still known."""
        self._levels.clear()
        self._raw = self._raw[:0]

    def verdict(self) -> tuple[str | None, float]:
        """Why the last moments hold no usable speech (None if they do), and the speech's quality, 0..1."""
        if len(self._levels) < 20 or len(self._raw) == 0:
            return "just began", 0.0
        if int(self._raw.max()) == int(self._raw.min()):
            return "no signal", 0.0  # a real microphone never delivers exact zeros, or one value
        if abs(float(self._raw.mean())) > _OFFSET:
            return "dc offset", 0.0
        quiet, loud = quantiles(np.fromiter(self._levels, np.float64), 0.10, 0.95)
        depth_db = loud - quiet
        quality = float(np.clip(depth_db / _DEPTH_OF_CLEAN_SPEECH_DB, 0.0, 1.0))
        full = np.count_nonzero((self._raw >= _FULL_SCALE) | (self._raw <= -_FULL_SCALE))
        if full > _CLIPPED_SHARE * len(self._raw):
            return "clipped", 0.0
        if loud < _INAUDIBLE_DB:
            return "silence", 0.0
        if depth_db < _DEPTH_OF_SPEECH_DB:
            noisy = loud > _LOUD_DB or loud - min(self._past_levels) > _LOUD_ABOVE_FLOOR_DB
            return ("noise" if noisy else "silence"), quality
        return None, quality

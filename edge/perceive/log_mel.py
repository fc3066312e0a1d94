"""Log-mel frames, the speech encoder's input: computed once per 10 ms of sound, never again.

The numbers are those of kaldi-native-fbank (tests/test_log_mel.py holds them together), in a seventh of its time:
OpenCV's DFT takes all frames of a block at once. The band stops at 5 kHz because CREMA-D holds nothing above 5.5 kHz:
with more, a net learns which corpus it hears.
"""

import cv2
import numpy as np
from numpy.typing import NDArray

from edge.capture.sample import SAMPLE_RATE_HZ
from edge.perceive.quantile import quantiles

MEL_BINS = 48
LOW_HZ = 60.0
HIGH_HZ = 5_000.0
FRAME_S = 0.025
FRAME_HOP_S = 0.010
WINDOW_FRAMES = 300
"""The speech encoder looks at the last 3 s."""

RANGE_NATS = 9.0
"""Depth of the window below its peak that the encoder sees: 39 dB, less than a quiet room leaves to a voice."""

SETTINGS: dict[str, float] = {
    "sample_rate_hz": SAMPLE_RATE_HZ,
    "mel_bins": MEL_BINS,
    "low_hz": LOW_HZ,
    "high_hz": HIGH_HZ,
    "frame_s": FRAME_S,
    "frame_hop_s": FRAME_HOP_S,
    "window_frames": WINDOW_FRAMES,
    "range_nats": RANGE_NATS,
}
"""Goes into the bundle's manifest; a bundle trained with other settings is refused."""


_FRAME_SAMPLES = round(FRAME_S * SAMPLE_RATE_HZ)
_HOP_SAMPLES = round(FRAME_HOP_S * SAMPLE_RATE_HZ)
_DFT_POINTS = 512
_MOST_FRAMES = 64
"""At a time: a larger product is split over threads by numpy's BLAS, which costs more than it brings."""
_SAMPLES_OF_FRAMES = _HOP_SAMPLES * np.arange(_MOST_FRAMES)[:, None] + np.arange(_FRAME_SAMPLES)
_PREEMPHASIS = np.float32(0.97)
_LEAST_ENERGY = np.float32(np.finfo(np.float32).eps)


def _window() -> NDArray[np.float32]:
    """Povey's window, (_FRAME_SAMPLES,): a Hann window to the power of 0.85, which is 0 at its ends alone."""
    hann = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(_FRAME_SAMPLES) / (_FRAME_SAMPLES - 1))
    window: NDArray[np.float32] = (hann**0.85).astype(np.float32)
    return window


def _mel(hz: NDArray[np.float64]) -> NDArray[np.float64]:
    scale: NDArray[np.float64] = 1127.0 * np.log(1.0 + hz / 700.0)
    return scale


def _triangles() -> tuple[int, NDArray[np.float32]]:
    """The mel filters, (lines of the spectrum, MEL_BINS), and the first line that any of them hears."""
    lines = _mel(np.arange(_DFT_POINTS // 2) * SAMPLE_RATE_HZ / _DFT_POINTS)[:, None]
    lowest, highest = _mel(np.array([LOW_HZ, HIGH_HZ]))
    corners = np.linspace(lowest, highest, MEL_BINS + 2)
    left, middle, right = corners[:-2], corners[1:-1], corners[2:]
    rise, fall = (lines - left) / (middle - left), (right - lines) / (right - middle)
    weights = np.maximum(0.0, np.minimum(rise, fall))
    heard = np.flatnonzero(weights.any(axis=1))
    return int(heard[0]), np.ascontiguousarray(weights[heard[0] : heard[-1] + 1], np.float32)


_WINDOW = _window()
_FIRST_LINE, _TRIANGLES = _triangles()


class LogMel:
    """Streaming log-mel: feed blocks, get the frames that became complete."""

    def __init__(self) -> None:
        self._left = np.empty(0, np.float32)
        """Samples of the frames that are not complete yet."""

    def push(self, samples: NDArray[np.int16]) -> NDArray[np.float32]:
        """New frames, float32 (n, MEL_BINS), natural log of mel energies of samples in int16 units.

        Args:
            samples: int16 (m,), mono, 16 kHz, following on what was fed before.
        """
        sound = np.concatenate([self._left, samples.astype(np.float32)])
        count = max(0, 1 + (len(sound) - _FRAME_SAMPLES) // _HOP_SAMPLES)
        self._left = sound[count * _HOP_SAMPLES :].copy()
        if not count:
            return np.empty((0, MEL_BINS), np.float32)
        batches = []
        for begin in range(0, count, _MOST_FRAMES):
            # not numpy's as_strided or sliding_window_view, which lose 125 bytes for ever at every call (2.4)
            cut = sound[begin * _HOP_SAMPLES :].take(_SAMPLES_OF_FRAMES[: min(_MOST_FRAMES, count - begin)])
            batches.append(_log_mel(cut))
        return batches[0] if len(batches) == 1 else np.concatenate(batches)


def _log_mel(cut: NDArray[np.float32]) -> NDArray[np.float32]:
    """Of frames of sound (n, _FRAME_SAMPLES): without their mean, emphasised, windowed, transformed, filtered."""
    frames = cut - np.add.reduce(cut, axis=1, keepdims=True) / np.float32(_FRAME_SAMPLES)
    ready = np.zeros((len(cut), _DFT_POINTS), np.float32)
    ready[:, 0] = frames[:, 0] * (1 - _PREEMPHASIS)
    ready[:, 1:_FRAME_SAMPLES] = frames[:, 1:] - _PREEMPHASIS * frames[:, :-1]
    ready[:, :_FRAME_SAMPLES] *= _WINDOW
    packed = cv2.dft(ready, flags=cv2.DFT_ROWS)  # per row: re 0, re 1, im 1, re 2, im 2, …
    lines = packed[:, 2 * _FIRST_LINE - 1 : 2 * (_FIRST_LINE + len(_TRIANGLES)) - 1]
    lines *= lines
    energies = (lines[:, ::2] + lines[:, 1::2]) @ _TRIANGLES
    log_mel: NDArray[np.float32] = np.log(np.maximum(energies, _LEAST_ENERGY))
    return log_mel


def log_mel(samples: NDArray[np.int16]) -> NDArray[np.float32]:
    """All frames of one recording, float32 (n, MEL_BINS)."""
    return LogMel().push(samples)


def frame_level_db(frames: NDArray[np.float32]) -> NDArray[np.float32]:
    """Level of each frame in dB, float32 (n,): the sum of its mel energies.

    White noise of full scale (0 dBFS) has about 135 dB, and every dB less of it one dB less.
    """
    peak = frames.max(axis=1, initial=-30.0)
    summed = np.log(np.exp(frames - peak[:, None]).sum(axis=1)) + peak
    level_db: NDArray[np.float32] = (summed * (10.0 / np.log(10.0))).astype(np.float32)
    return level_db


def speech_input(frames: NDArray[np.float32]) -> NDArray[np.float32]:
    """The encoder's input from the newest frames: float32 (1, WINDOW_FRAMES, MEL_BINS), values in [-1, 1.5].

    The window is set relative to its own loud frames, so that a quiet microphone and a loud one look alike;
    what is more than RANGE_NATS below them is the floor, and a shorter past is filled up with floor.

    Args:
        frames: float32 (n, MEL_BINS), n of any size; the last WINDOW_FRAMES count.
    """
    window = np.full((WINDOW_FRAMES, MEL_BINS), -1.0, np.float32)
    newest = frames[-WINDOW_FRAMES:]
    if len(newest):
        (loud,) = quantiles(newest.max(axis=1), 0.95)
        scaled = 1.0 + (newest - loud) * np.float32(2.0 / RANGE_NATS)
        window[WINDOW_FRAMES - len(newest) :] = np.clip(scaled, -1.0, 1.5)
    return window[None]

"""Log-mel frames, the speech encoder's input: computed once per 10 ms of sound, never again.

kaldi-native-fbank does the arithmetic (C++, the same on a Raspberry Pi and on the workstation that trains).
The band stops at 5 kHz because CREMA-D holds nothing above 5.5 kHz: with more, a net learns which corpus it hears.
"""

import kaldi_native_fbank as knf
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


def _options() -> knf.FbankOptions:
    options = knf.FbankOptions()
    options.frame_opts.samp_freq = SAMPLE_RATE_HZ
    options.frame_opts.frame_length_ms = FRAME_S * 1e3
    options.frame_opts.frame_shift_ms = FRAME_HOP_S * 1e3
    options.frame_opts.dither = 0.0  # the same sound must give the same features
    options.frame_opts.remove_dc_offset = True
    options.frame_opts.snip_edges = True
    options.mel_opts.num_bins = MEL_BINS
    options.mel_opts.low_freq = LOW_HZ
    options.mel_opts.high_freq = HIGH_HZ
    options.use_energy = False
    return options


class LogMel:
    """Streaming log-mel: feed blocks, get the frames that became complete."""

    def __init__(self) -> None:
        self._fbank = knf.OnlineFbank(_options())
        self._next_frame = 0

    def push(self, samples: NDArray[np.int16]) -> NDArray[np.float32]:
        """New frames, float32 (n, MEL_BINS), natural log of mel energies of samples in int16 units.

        Args:
            samples: int16 (m,), mono, 16 kHz, following on what was fed before.
        """
        # a list: the library takes an array number by number, which costs as much again as the arithmetic
        self._fbank.accept_waveform(SAMPLE_RATE_HZ, samples.astype(np.float32).tolist())
        ready = self._fbank.num_frames_ready
        frames = np.empty((ready - self._next_frame, MEL_BINS), np.float32)
        for row, i in enumerate(range(self._next_frame, ready)):
            frames[row] = self._fbank.get_frame(i)  # a view into the library's memory: copied before pop()
        self._fbank.pop(len(frames))  # else the library keeps every frame for ever
        self._next_frame = ready
        return frames


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

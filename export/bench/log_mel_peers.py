"""Log-mel against librosa and openSMILE."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import librosa
import numpy as np
import opensmile
from numpy.typing import NDArray

from edge.bench.step_times import speech_blocks
from edge.capture.sample import SAMPLE_RATE_HZ
from edge.perceive.log_mel import FRAME_HOP_S, FRAME_S, HIGH_HZ, LOW_HZ, MEL_BINS, WINDOW_FRAMES, LogMel, log_mel
from export.bench.compare import Calls, compare
from export.bench.record import Peer

_SMILE = """
[componentInstances:cComponentManager]
instance[dataMemory].type=cDataMemory
\\{\\cm[source{?}:source include config]}
[componentInstances:cComponentManager]
instance[framer].type=cFramer
instance[window].type=cWindower
instance[fft].type=cTransformFFT
instance[magnitude].type=cFFTmagphase
instance[mel].type=cMelspec
[framer:cFramer]
reader.dmLevel=wave
writer.dmLevel=frames
frameSize=%(frame)g
frameStep=%(hop)g
frameCenterSpecial=left
[window:cWindower]
reader.dmLevel=frames
writer.dmLevel=windowed
winFunc=ham
[fft:cTransformFFT]
reader.dmLevel=windowed
writer.dmLevel=fft
[magnitude:cFFTmagphase]
reader.dmLevel=fft
writer.dmLevel=magnitude
[mel:cMelspec]
reader.dmLevel=magnitude
writer.dmLevel=lld
nBands=%(bins)d
lofreq=%(low)g
hifreq=%(high)g
usePower=1
\\{\\cm[sink{?}:sink include config]}
"""


@contextmanager
def log_mel_calls(window: NDArray[np.int16]) -> Iterator[Calls]:
    """librosa and openSMILE on a window of sound, with our settings."""
    floats = window.astype(np.float32) / np.float32(32768)

    def by_librosa() -> object:
        power = librosa.feature.melspectrogram(
            y=floats,
            sr=SAMPLE_RATE_HZ,
            n_fft=512,
            win_length=round(FRAME_S * SAMPLE_RATE_HZ),
            hop_length=round(FRAME_HOP_S * SAMPLE_RATE_HZ),
            n_mels=MEL_BINS,
            fmin=LOW_HZ,
            fmax=HIGH_HZ,
            center=False,
        )
        return np.log(np.maximum(power, 1e-10))

    with tempfile.TemporaryDirectory() as scratch:
        config = Path(scratch) / "log_mel.conf"
        settings = {"frame": FRAME_S, "hop": FRAME_HOP_S, "bins": MEL_BINS, "low": LOW_HZ, "high": HIGH_HZ}
        config.write_text(_SMILE % settings, encoding="ascii")
        smile = opensmile.Smile(feature_set=str(config), feature_level="lld")

        def by_smile() -> object:
            return np.log(np.maximum(smile.process_signal(floats, SAMPLE_RATE_HZ).to_numpy(), 1e-10))

        yield {"librosa, the 3 s window": by_librosa, "openSMILE, the 3 s window": by_smile}


def log_mels(clip: Path) -> list[Peer]:
    """Log-mel of a 3 s window: ours anew, and ours as it is done, half a second at a time."""
    sound = np.concatenate([block.samples for block in speech_blocks(clip)])
    window = sound[: round(WINDOW_FRAMES * FRAME_HOP_S * SAMPLE_RATE_HZ)]
    blocks = np.split(window[: SAMPLE_RATE_HZ // 2], 5)
    stream = LogMel()

    def a_step() -> None:
        for block in blocks:
            stream.push(block)

    ours, same = "ours, the new 0.5 s in five blocks", "ours, the 3 s window"
    with log_mel_calls(window) as theirs:
        return [
            *compare("log-mel, a step", ours, {ours: a_step, **theirs}),
            *compare("log-mel, the same 3 s", same, {same: lambda: log_mel(window), **theirs}),
        ]

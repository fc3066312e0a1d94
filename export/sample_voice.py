"""The sample clip's voice: espeak-ng through its C library, with word times."""

import ctypes
import ctypes.util
from typing import Any

import av
import numpy as np
from numpy.typing import NDArray

from edge.capture.sample import SAMPLE_RATE_HZ
from edge.errors import M3erError

Samples = NDArray[np.float32]


class _Event(ctypes.Structure):
    """espeak_EVENT of speak_lib.h."""

    _fields_ = (
        ("type", ctypes.c_int),
        ("identifier", ctypes.c_uint),
        ("text_position", ctypes.c_int),
        ("length", ctypes.c_int),
        ("audio_position_ms", ctypes.c_int),
        ("sample", ctypes.c_int),
        ("user_data", ctypes.c_void_p),
        ("id", ctypes.c_char * 8),
    )


class Voice:
    """espeak-ng through its C library, as the command line tells no word times.

    Raises:
        M3erError: when espeak-ng is not installed, or has no such voice.
    """

    def __init__(self, name: str) -> None:
        library = ctypes.util.find_library("espeak-ng") or "libespeak-ng.so.1"
        synchronous, dont_exit, pitch_range = 2, 0x8000, 4
        try:
            self._lib = ctypes.CDLL(library)
            self._rate_hz = int(self._lib.espeak_Initialize(synchronous, 200, None, dont_exit))
        except (OSError, AttributeError) as error:
            raise M3erError(f"the sample clip needs espeak-ng ({error}): apt-get install espeak-ng") from error
        if self._rate_hz <= 0:
            raise M3erError("espeak-ng found no voice data: apt-get install espeak-ng espeak-ng-data")
        if self._lib.espeak_SetVoiceByName(name.encode()) != 0:
            raise M3erError(f"espeak-ng has no voice {name!r}: see espeak-ng --voices=en, and --voices=variant")
        self._lib.espeak_SetParameter(pitch_range, 70, 0)  # livelier than the default 50
        self._blocks: list[NDArray[np.int16]] = []
        self._starts_s: dict[int, float] = {}
        callback_type = ctypes.CFUNCTYPE(
            ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.POINTER(_Event)
        )
        self._callback = callback_type(self._receive)  # kept: espeak-ng calls it for as long as it lives
        self._lib.espeak_SetSynthCallback(self._callback)

    def _receive(self, samples: Any, count: int, events: Any) -> int:
        end_of_list, word = 0, 1
        if samples and count > 0:
            self._blocks.append(np.ctypeslib.as_array(samples, (count,)).copy())
        index = 0
        while events[index].type != end_of_list:
            if events[index].type == word:
                self._starts_s.setdefault(events[index].text_position - 1, events[index].audio_position_ms / 1000)
            index += 1
        return 0

    def say_all(self, texts: list[str], rate_wpm: float) -> dict[str, tuple[Samples, list[float]]]:
        """Each text as :meth:`say` gives it, at so many words a minute on average (without pauses)."""
        rate, nominal_wpm = 1, 160.0
        spoken: dict[str, tuple[Samples, list[float]]] = {}
        # espeak-ng's own rate means up to twice as many words a minute, by voice: measure it, and ask again.
        for _ in range(3):
            self._lib.espeak_SetParameter(rate, round(nominal_wpm), 0)
            spoken = {text: self.say(text) for text in texts}
            minutes = sum(said.size for said, _ in spoken.values()) / SAMPLE_RATE_HZ / 60
            nominal_wpm = max(80.0, nominal_wpm * rate_wpm * minutes / sum(len(text.split()) for text in texts))
        return spoken

    def say(self, text: str) -> tuple[Samples, list[float]]:
        """Samples (n,) at 16 kHz with an RMS of 1, trimmed of silence, and each word's start in seconds."""
        self._blocks, self._starts_s = [], {}
        data, utf8 = text.encode(), 1
        self._lib.espeak_Synth(data, len(data) + 1, 0, 0, 0, utf8, None, None)
        if not self._blocks:
            raise M3erError(f"espeak-ng spoke nothing for {text!r}")
        sound = _resample(np.concatenate(self._blocks), self._rate_hz)
        loud = np.flatnonzero(np.abs(sound) > 0.005 * np.abs(sound).max())
        first, last = int(loud[0]), int(loud[-1])
        sound = sound[first : last + 1]
        offsets = [0]
        for spoken in text.split()[:-1]:
            offsets.append(offsets[-1] + len(spoken) + 1)
        # Two words spoken as one unit have one event; the second's start then comes from the letters.
        known = [offset for offset in offsets if offset in self._starts_s] or [0]
        ends = [*known, len(text)]
        times = [*(self._starts_s.get(offset, 0.0) for offset in known), (last + 1) / SAMPLE_RATE_HZ]
        starts = np.interp(offsets, ends, times) - first / SAMPLE_RATE_HZ
        return sound / np.sqrt(np.mean(sound**2)), [max(0.0, float(start)) for start in starts]


def _resample(samples: NDArray[np.int16], rate_hz: int) -> Samples:
    frame = av.AudioFrame.from_ndarray(samples[None, :], format="s16", layout="mono")
    frame.sample_rate = rate_hz
    resampler = av.AudioResampler(format="flt", layout="mono", rate=SAMPLE_RATE_HZ)
    parts = [part.to_ndarray()[0] for part in (*resampler.resample(frame), *resampler.resample(None))]
    return np.concatenate(parts).astype(np.float32)

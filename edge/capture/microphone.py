"""A live microphone through PyAudio, at 16 kHz mono whatever the device gives."""

import re
import time
from collections import deque
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge.capture.device import DeviceLost
from edge.capture.sample import SAMPLE_RATE_HZ, AudioBlock
from edge.quiet import quiet_stderr

DEFAULT = "default"
_BLOCK_S = 0.1
_DEAD_S = 3.0
"""Exact zeros for so long: the source may have gone, and PortAudio does not say. A new stream finds the next one."""


class Microphone:
    """One input of PortAudio.

    Args:
        source: ``default``, an index, or a piece of the device's name (as ``--list-devices`` prints it).

    Raises:
        DeviceLost: it cannot be opened now.
    """

    def __init__(self, source: str = DEFAULT) -> None:
        self._source = source
        try:
            with quiet_stderr():  # PortAudio prints some seventy lines of ALSA's noise
                import pyaudio

                # Anew each time: after a sound daemon's death the old object cannot open anything.
                self._audio: Any = pyaudio.PyAudio()
        except ImportError:
            raise DeviceLost(
                "not found", "PyAudio is not installed: `make live`, or pip install 'm3er-edge[live]'"
            ) from None
        try:
            self._open(pyaudio.paInt16)
        except BaseException:
            self._audio.terminate()
            raise
        self._clock = SampleClock()
        self._zeros_s = 0.0

    def read(self) -> AudioBlock:
        """The next tenth of a second. Hangs where the sound daemon does."""
        try:
            raw = self._stream.read(self._block_samples, exception_on_overflow=False)
        except OSError as error:
            raise DeviceLost("no sound", f"microphone {self._source}: {error}") from None
        now_ns = time.monotonic_ns()
        samples = np.frombuffer(raw, np.int16)
        if self._channels > 1:
            samples = samples.reshape(-1, self._channels).mean(axis=1).astype(np.int16)
        self._watch(samples)
        if self._resampler is not None:
            samples = self._resampler(samples)
        return AudioBlock(self._clock.stamp(len(samples), now_ns), samples)

    def close(self) -> None:
        """Let go of the device. May hang where the sound daemon does."""
        self._stream.close()
        self._audio.terminate()

    def _open(self, sample_format: int) -> None:
        index = self._index()
        try:
            info = self._audio.get_default_input_device_info() if index is None else None
            info = info or self._audio.get_device_info_by_index(index)
        except OSError:
            raise DeviceLost("not found", "no microphone; plug one in, or see --list-devices") from None
        own_rate_hz, own_channels = round(info["defaultSampleRate"]), int(info["maxInputChannels"])
        forms = [(SAMPLE_RATE_HZ, 1), (own_rate_hz, 1), (SAMPLE_RATE_HZ, own_channels), (own_rate_hz, own_channels)]
        forms += [(rate_hz, own_channels) for rate_hz in (48_000, 44_100, 32_000)]
        said = ""
        for rate_hz, channels in dict.fromkeys(forms):
            try:
                with quiet_stderr():
                    self._stream: Any = self._audio.open(
                        rate=rate_hz,
                        channels=channels,
                        format=sample_format,
                        input=True,
                        input_device_index=index,
                        frames_per_buffer=round(rate_hz * _BLOCK_S),
                    )
            except (OSError, ValueError) as error:
                said = said or str(error)
                continue
            self._channels, self._block_samples = channels, round(rate_hz * _BLOCK_S)
            self._resampler = _Resampler(rate_hz) if rate_hz != SAMPLE_RATE_HZ else None
            return
        raise DeviceLost(
            "cannot be opened", f"microphone {info['name']}: {said}; is it in use, and are you in the group audio?"
        )

    def _index(self) -> int | None:
        """PortAudio's number of the device; None: its default."""
        if self._source == DEFAULT:
            return None
        inputs = {
            number: str(info["name"])
            for number in range(self._audio.get_device_count())
            if (info := self._audio.get_device_info_by_index(number))["maxInputChannels"] > 0
        }
        if re.fullmatch(r"\d+", self._source) and int(self._source) in inputs:
            return int(self._source)
        for number, name in inputs.items():
            if self._source.lower() in name.lower():
                return number
        raise DeviceLost("not found", f"no microphone is called {self._source}; see --list-devices")

    def _watch(self, samples: NDArray[np.int16]) -> None:
        self._zeros_s = 0.0 if samples.any() else self._zeros_s + _BLOCK_S
        if self._zeros_s >= _DEAD_S:
            raise DeviceLost(
                "no signal",
                f"microphone {self._source}: nothing but zeros; muted, or its source has gone? Opening anew",
            )


class _Resampler:
    """Any rate to 16 kHz, block by block, without a seam."""

    def __init__(self, rate_hz: int) -> None:
        import av  # only where a device cannot do 16 kHz

        self._av, self._rate_hz = av, rate_hz
        self._resampler = av.AudioResampler("s16", "mono", SAMPLE_RATE_HZ)

    def __call__(self, samples: NDArray[np.int16]) -> NDArray[np.int16]:
        frame = self._av.AudioFrame.from_ndarray(samples[None], "s16", "mono")
        frame.sample_rate = self._rate_hz
        pieces = [piece.to_ndarray()[0] for piece in self._resampler.resample(frame)]
        whole: NDArray[np.int16] = np.concatenate([np.empty(0, np.int16), *pieces])
        return whole


class SampleClock:
    """Stamps of blocks: sound is counted, not timed, so that a burst of late blocks does not tell of a pause.

    The block of the last second that came with the least delay says when the count began. So the stamps follow a sound
    card's clock, which is not the computer's, and are right again a second after sound was lost.
    """

    _WINDOW_BLOCKS = 10
    _LOST_NS = 1_000_000_000
    """A block so late is no burst: sound was lost, and the count begins anew at once."""

    def __init__(self) -> None:
        self._samples = 0
        self._begin_ns: deque[int] = deque(maxlen=self._WINDOW_BLOCKS)
        self._last_ns = -1

    def stamp(self, samples: int, now_ns: int) -> int:
        """When the last of so many new samples was captured; never later than now, always later than the last."""
        self._samples += samples
        counted_ns = self._samples * 1_000_000_000 // SAMPLE_RATE_HZ
        begin_ns = now_ns - counted_ns
        if self._begin_ns and begin_ns - min(self._begin_ns) > self._LOST_NS:
            self._begin_ns.clear()
        self._begin_ns.append(begin_ns)
        self._last_ns = max(self._last_ns + 1, counted_ns + min(self._begin_ns))
        return self._last_ns

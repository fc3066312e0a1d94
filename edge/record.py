"""``--record FOLDER``, for developers: what the camera and the microphone gave, as files that ``--input`` plays again.

Nothing else here writes a picture or a sound. So it is off unless asked for, and says all the time that it is on.
"""

import logging
import os
import shutil
import threading
import time
from fractions import Fraction
from pathlib import Path
from typing import Any

import av

from edge.capture.ring import RingReader
from edge.capture.ring_samples import block_of, frame_of
from edge.capture.sample import SAMPLE_RATE_HZ, AudioBlock, Frame, Sample
from edge.errors import M3erError
from edge.publish.publisher import RECORDING

_SEGMENT_S = 60.0
MOST_BYTES = 4_000_000_000
"""Of a whole run: some six hours."""
LEAST_FREE_BYTES = 500_000_000
"""Of the disk."""
_TAKE_EVERY_S = 0.05
_LOOK_EVERY_S = 1.0
_REMIND_EVERY_S = 60.0
_CLOSE_S = 0.5
_JPEG = {"qmin": "2", "qmax": "3"}  # hardly to be told from what the camera gave
_MATROSKA = {
    "cluster_time_limit": "1000",  # ms: so much a crash may lose
    "max_interleave_delta": "1000000",  # µs: so long it waits for a device that gives nothing
    "flush_packets": "1",
}

_log = logging.getLogger(__name__)


class Recorder:
    """Writes samples from a thread of its own, a file a minute: Matroska, of JPEG pictures and plain sound.

    It reads the devices' rings beside the run, which never waits for it. It ends by itself where a limit is reached or
    the disk fails; the run goes on.

    Args:
        folder: made if need be. It and the files are for their owner alone.
        pictures, sound: None: there is no such device.

    Raises:
        M3erError: the folder cannot be made, or nothing can be written there.
    """

    def __init__(self, folder: Path, pictures: RingReader | None, sound: RingReader | None) -> None:
        self._folder, self._pictures, self._sound = folder, pictures, sound
        self._name = time.strftime("m3er-%Y%m%dT%H%M%SZ", time.gmtime()) + f"-{os.getpid()}"
        self._segment: _Segment | None = None
        self._segments, self._closed_bytes = 0, 0
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            probe = folder / f"{self._name}.new"
            probe.touch(0o600)
            probe.unlink()
        except OSError as error:
            raise M3erError(f"--record {folder}: {error.strerror}; name a folder that can be written") from None
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="recorder", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """End the last file. What the disk does not take within a moment is lost."""
        self._stop.set()
        self._thread.join(_CLOSE_S)

    def _run(self) -> None:
        look_s = remind_s = time.monotonic()
        why = ""
        try:
            while not why:
                stopping = self._stop.wait(_TAKE_EVERY_S)
                for sample in self._new_samples():
                    self._write(sample)
                if stopping:
                    return
                if (now_s := time.monotonic()) >= look_s:
                    look_s = now_s + _LOOK_EVERY_S
                    why = self._limit()
                if now_s >= remind_s:
                    remind_s = now_s + _REMIND_EVERY_S
                    _log.warning(
                        "%s to %s: %s; run without --record to stop it", RECORDING, self._folder, self._so_far()
                    )
        except (OSError, av.FFmpegError) as error:
            why = str(error)
        finally:
            if self._segment is not None:
                self._segment.close()
        _log.warning("the recording to %s has ended: %s", self._folder, why)

    def _new_samples(self) -> list[Sample]:
        samples: list[Sample] = []
        if self._pictures is not None:
            samples += map(frame_of, self._pictures.new())
        if self._sound is not None:
            samples += map(block_of, self._sound.new())
        return sorted(samples, key=lambda sample: sample.captured_ns)

    def _write(self, sample: Sample) -> None:
        last = self._segment
        if last is None or not last.takes(sample):
            if last is not None:
                self._closed_bytes += last.close()
            path = self._folder / f"{self._name}-{self._segments:04d}.mkv"
            self._segments += 1
            self._segment = last = _Segment(path, sample, last)
        last.write(sample)

    def _written_bytes(self) -> int:
        return self._closed_bytes + (self._segment.bytes if self._segment is not None else 0)

    def _limit(self) -> str:
        """Why it must end, or nothing."""
        if self._written_bytes() >= MOST_BYTES:
            return f"{self._so_far()}, and there may be no more"
        free_mb = shutil.disk_usage(self._folder).free / 1e6
        return f"only {free_mb:.0f} MB are free" if free_mb * 1e6 < LEAST_FREE_BYTES else ""

    def _so_far(self) -> str:
        lost = sum(reader.lost for reader in (self._pictures, self._sound) if reader is not None)
        return f"{self._written_bytes() / 1e6:.0f} MB" + (f", {lost} samples left out" if lost else "")


class _Segment:
    """One file. A picture of another size, or the first sound, needs another one.

    Args:
        sample: the first one.
        last: the file before, which says what else is to be expected; None: there was none.
    """

    def __init__(self, path: Path, sample: Sample, last: "_Segment | None") -> None:
        before = last.size if last is not None else None
        self.size: tuple[int, int] | None = _size(sample) if isinstance(sample, Frame) else before
        self.has_sound: bool = isinstance(sample, AudioBlock) or (last is not None and last.has_sound)
        self._begin_ns = _begin_ns(sample)
        self._last_pts: dict[str, int] = {}
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        self._file = os.fdopen(descriptor, "wb", buffering=0)
        self._container: Any = av.open(self._file, "w", format="matroska", options=_MATROSKA)
        if self.size is not None:
            self._video = self._container.add_stream("mjpeg", rate=10, options=_JPEG)
            self._video.height, self._video.width = self.size
            self._video.pix_fmt = "yuvj420p"
            self._video.codec_context.time_base = Fraction(1, 1000)
        if self.has_sound:
            self._audio = self._container.add_stream("pcm_s16le", rate=SAMPLE_RATE_HZ, layout="mono")

    @property
    def bytes(self) -> int:
        """Written so far."""
        return os.fstat(self._file.fileno()).st_size

    def takes(self, sample: Sample) -> bool:
        """It has a place for it."""
        if sample.captured_ns - self._begin_ns > _SEGMENT_S * 1e9:
            return False
        return _size(sample) == self.size if isinstance(sample, Frame) else self.has_sound

    def write(self, sample: Sample) -> None:
        """Add it. Raises OSError or av.FFmpegError where the disk fails."""
        if isinstance(sample, Frame):
            stream, frame = self._video, av.VideoFrame.from_ndarray(sample.image, format="bgr24")
            frame.time_base = Fraction(1, 1000)
        else:
            stream, frame = self._audio, av.AudioFrame.from_ndarray(sample.samples[None], "s16", "mono")
            frame.sample_rate, frame.time_base = SAMPLE_RATE_HZ, Fraction(1, SAMPLE_RATE_HZ)
        pts = round((_begin_ns(sample) - self._begin_ns) / 1e9 / frame.time_base)
        frame.pts = self._last_pts[stream.type] = max(pts, self._last_pts.get(stream.type, -1) + 1)
        self._container.mux(stream.encode(frame))

    def close(self) -> int:
        """Make it whole, or, where the disk fails, as whole as it can be; returns how many bytes it has."""
        try:
            self._container.close()
        except (OSError, av.FFmpegError) as error:
            _log.warning("a file of the recording has no end: %s", error)
        with self._file:
            return self.bytes


def _size(frame: Frame) -> tuple[int, int]:
    return frame.image.shape[0], frame.image.shape[1]


def _begin_ns(sample: Sample) -> int:
    """A block is stamped at its end."""
    length_ns = len(sample.samples) * 1_000_000_000 // SAMPLE_RATE_HZ if isinstance(sample, AudioBlock) else 0
    return sample.captured_ns - length_ns

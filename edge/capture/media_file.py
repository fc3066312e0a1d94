"""A media file as a source of samples: any container and codec that FFmpeg reads, in bounded memory."""

import heapq
import logging
from collections.abc import Generator, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any, Literal

import av
import av.logging
import cv2
import numpy as np
from numpy.typing import NDArray

from edge.capture.sample import SAMPLE_RATE_HZ, AudioBlock, Frame, Sample
from edge.errors import M3erError

LONGEST_SIDE_PX = 1280
"""Larger pictures are scaled down as their colours are converted: 4K costs little more than 720p."""
BLOCK_SAMPLES = SAMPLE_RATE_HZ // 10

_SECOND_NS = 1_000_000_000
_SOUND_GAP_NS = 100_000_000  # containers round stamps to 1 ms or more: only a larger step is a real gap
_BACKWARD_JUMP_NS = 500_000_000  # a smaller step back is a disordered frame, a larger one a new time line
_FORWARD_JUMP_NS = 600 * _SECOND_NS  # nobody pauses longer than this inside one file: a broken stamp
_SLOT_TOLERANCE_NS = 1_000_000  # stamps rounded to 1 ms must not lose a frame to the next slot
# FFmpeg takes plain text for a terminal recording and would "play" it.
_NOT_MEDIA = frozenset({"tty", "bin", "xbin", "idf", "adf"})
# These have no header to promise a duration; FFmpeg's guess from the bit rate proves no truncation.
_GUESSED_DURATION = frozenset({"aac", "ac3", "eac3", "mp3", "h264", "hevc", "mpeg", "mpegvideo"})
# By degrees counterclockwise.
_TURNS = {90: cv2.ROTATE_90_COUNTERCLOCKWISE, 180: cv2.ROTATE_180, 270: cv2.ROTATE_90_CLOCKWISE}

_log = logging.getLogger(__name__)

# FFmpeg's own complaints go to stderr past Python's logging; what matters is raised, counted or logged here.
av.logging.set_level(None)

Kind = Literal["video", "audio"]


class MediaFile:
    """The frames and the sound of one file, in the order of their time.

    Picture and sound have a reader each and are merged by time: the order is exact and memory
    stays bounded, however badly the file is interleaved.

    Attributes:
        has_picture: there is a moving picture that can be decoded; an mp3's cover is none.
        has_sound: there is a sound track that can be decoded.
        duration_s: what the container says, or None.
        truncated: the file ended before its own header says; known once :meth:`samples` is exhausted.
        skipped_packets: how many corrupt packets or frames were left out so far.

    Raises:
        M3erError: nothing readable is at ``path``, or it holds neither picture nor sound.
    """

    def __init__(self, path: Path, max_frames_per_s: float = 10.0) -> None:
        self._path = path
        self._frame_interval_ns = round(_SECOND_NS / max_frames_per_s)
        self._running: Generator[Sample, None, None] | None = None
        self.truncated = False
        self.skipped_packets = 0
        with _open(path) as container:
            tracks = _usable_tracks(container)
            if not tracks:
                raise M3erError(
                    f"{path}: holds neither picture nor sound that can be decoded; "
                    "give a video or audio file, or convert it with ffmpeg"
                )
            self._indices = {kind: track.index for kind, track in tracks.items()}
            self.has_picture = "video" in tracks
            self.has_sound = "audio" in tracks
            self.duration_s = container.duration / av.time_base if (container.duration or 0) > 0 else None
            self._start_ns = _start_ns(container, list(tracks.values()))
            self._least_end_ns = _least_end_ns(container, list(tracks.values()), self._start_ns)

    def __enter__(self) -> "MediaFile":
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    def close(self) -> None:
        """Stops a running :meth:`samples` and frees the file."""
        if self._running is not None:
            self._running.close()
            self._running = None

    def samples(self) -> Iterator[Sample]:
        """From the beginning, in order of ``captured_ns`` (media time, ns, starting near 0).

        Frames: BGR uint8 (height, width, 3), upright, with square pixels, at most ``max_frames_per_s``.
        Sound: blocks of :data:`BLOCK_SAMPLES`; the last one before a gap or the end is shorter.
        A file that breaks off is delivered as far as it goes. A second call starts over and ends the first.

        Raises:
            M3erError: not one sample could be decoded.
        """
        self.close()
        self.truncated, self.skipped_packets = False, 0
        self._running = self._merged()
        return self._running

    def _merged(self) -> Generator[Sample, None, None]:
        end_ns = -1
        readers: list[Generator[Sample, None, None]] = [self._frames(), self._blocks()]
        with closing(readers[0]), closing(readers[1]):
            for sample in heapq.merge(*readers, key=lambda s: s.captured_ns):
                end_ns = sample.captured_ns
                yield sample
        if end_ns < 0:
            raise M3erError(f"{self._path}: empty or damaged, nothing can be decoded; give another file")
        if self.skipped_packets:
            _log.warning("%s: %d corrupt packets were left out", self._path, self.skipped_packets)
        self.truncated |= end_ns < self._least_end_ns
        if self.truncated:
            _log.warning("%s: the file breaks off after %.1f s", self._path, end_ns / _SECOND_NS)

    def _frames(self) -> Generator[Sample, None, None]:
        clock = _MediaClock(self._start_ns)
        last_slot, last_ns = -1, -1
        for picture, track in self._decoded("video"):
            step_ns = round(_SECOND_NS / (track.average_rate or 25))
            at_ns = max(0, clock.at(picture, step_ns))
            slot = (at_ns + _SLOT_TOLERANCE_NS) // self._frame_interval_ns
            # Thinned before the colours are converted, which costs more than decoding most files.
            if slot <= last_slot or at_ns <= last_ns:
                continue
            last_slot, last_ns = slot, at_ns
            yield Frame(at_ns, _upright_bgr(picture, track.codec_context.sample_aspect_ratio))

    def _blocks(self) -> Generator[Sample, None, None]:
        clock = _MediaClock(self._start_ns)
        run: _SoundRun | None = None
        for sound, _track in self._decoded("audio"):
            at_ns = clock.at(sound, sound.samples * _SECOND_NS // sound.sample_rate)
            form = (sound.format.name, sound.layout.name, sound.sample_rate)
            if run is None or form != run.form or at_ns - run.expected_ns > _SOUND_GAP_NS:
                if run is not None:
                    yield from run.push(None)
                    at_ns = max(at_ns, run.end_ns)
                run = _SoundRun(max(0, at_ns), form)
            yield from run.push(sound)
        if run is not None:
            yield from run.push(None)

    def _decoded(self, kind: Kind) -> Generator[tuple[Any, Any], None, None]:
        """Every good frame of the track with the track itself; corrupt ones are counted and left out."""
        if kind not in self._indices:
            return
        with _open(self._path) as container:
            track = container.streams[self._indices[kind]]
            for other in container.streams:
                if other.index != track.index:
                    other.discard = av.stream.Discard.all  # the demultiplexer need not even read it
            track.thread_type = "AUTO"
            packets = container.demux(track)
            cut_off = False
            while True:
                try:
                    packet = next(packets, None)
                except av.FFmpegError:
                    packet, cut_off = None, True
                if packet is None:
                    self.truncated |= cut_off
                    return
                try:
                    frames = [] if packet.is_corrupt else packet.decode()
                except av.FFmpegError:
                    frames = None
                if packet.size:  # the last one only flushes the decoder
                    cut_off = packet.is_corrupt
                if packet.is_corrupt or frames is None:
                    self.skipped_packets += 1
                for frame in frames or ():
                    if frame.is_corrupt:
                        self.skipped_packets += 1
                    else:
                        yield frame, track


class _MediaClock:
    """One track's stamps: the file's own, from zero, and held where a broken stamp would leap away."""

    def __init__(self, start_ns: int) -> None:
        self._shift_ns = -start_ns
        self._expected_ns: int | None = None

    def at(self, frame: Any, step_ns: int) -> int:
        """When the decoded frame begins, ns; it lasts ``step_ns``, after which the next is expected."""
        at_ns = self._expected_ns or 0
        if frame.pts is not None and frame.time_base is not None:
            stamp_ns = round(frame.pts * frame.time_base * _SECOND_NS)
            at_ns = stamp_ns + self._shift_ns
            if self._expected_ns is not None:
                leap_ns = at_ns - self._expected_ns
                if not -_BACKWARD_JUMP_NS <= leap_ns <= _FORWARD_JUMP_NS:
                    self._shift_ns -= leap_ns
                    at_ns = self._expected_ns
        self._expected_ns = at_ns + step_ns
        return at_ns


class _SoundRun:
    """One unbroken stretch of sound in one form: resampled, cut to blocks, stamped by counting samples."""

    def __init__(self, start_ns: int, form: tuple[str, str, int]) -> None:
        self.form = form
        self.expected_ns = start_ns
        """When the next decoded frame should begin."""
        self._start_ns = start_ns
        self._made = 0
        self._resampler = av.AudioResampler("s16", "mono", SAMPLE_RATE_HZ, frame_size=BLOCK_SAMPLES)

    @property
    def end_ns(self) -> int:
        return self._start_ns + self._made * _SECOND_NS // SAMPLE_RATE_HZ

    def push(self, sound: Any | None) -> Iterator[AudioBlock]:
        """The blocks that a decoded frame completes; None ends the run and gives what is left."""
        if sound is not None:
            self.expected_ns += sound.samples * _SECOND_NS // sound.sample_rate
            sound.pts = None  # the clock has read it; the resampler must only count
        for piece in self._resampler.resample(sound):
            samples: NDArray[np.int16] = piece.to_ndarray()[0]
            if samples.size:
                self._made += samples.size
                yield AudioBlock(self.end_ns, samples)


def _open(path: Path) -> Any:
    """The opened container, or M3erError with what is wrong with the file."""
    if path.is_dir():
        raise M3erError(f"{path}: is a folder; give a media file")
    if not path.is_file():
        raise M3erError(f"{path}: no such file; check the path")
    if path.stat().st_size == 0:
        raise M3erError(f"{path}: the file is empty; record or copy it again")
    try:
        # "file:" and the whitelist keep a playlist or an odd name from reaching into the network.
        url, only_local = f"file:{path.absolute()}", {"protocol_whitelist": "file"}
        # Titles and tags are never read. Before PyAV 19, one that is not UTF-8 would make the file unreadable.
        tolerant = {} if int(av.__version__.split(".")[0]) >= 19 else {"metadata_errors": "ignore"}
        container = av.open(url, options=only_local, **tolerant)
    except PermissionError:
        raise M3erError(f"{path}: may not be read; change its permissions") from None
    except (av.FFmpegError, OSError, ValueError):
        container = None
    if container is None or container.format.name in _NOT_MEDIA:
        raise M3erError(f"{path}: not a readable media file; give a whole one, such as mp4, mkv or wav")
    return container


def _usable_tracks(container: Any) -> dict[Kind, Any]:
    """The first track of each kind that has a decoder; a cover or a thumbnail is no picture of a person."""
    tracks: dict[Kind, Any] = {}
    still = av.stream.Disposition.attached_pic | av.stream.Disposition.still_image
    for track in container.streams:
        if track.type not in ("video", "audio") or track.codec_context is None or track.disposition & still:
            continue
        if track.codec_context.width if track.type == "video" else track.codec_context.sample_rate:
            tracks.setdefault(track.type, track)
    return tracks


def _start_ns(container: Any, tracks: list[Any]) -> int:
    starts: list[int] = [round(t.start_time * t.time_base * _SECOND_NS) for t in tracks if t.start_time is not None]
    return min(starts) if starts else int(container.start_time or 0) * 1000


def _least_end_ns(container: Any, tracks: list[Any], start_ns: int) -> int:
    """The last sample of a whole file comes no earlier than this, ns; 0 where the file promises nothing."""
    if not _GUESSED_DURATION.isdisjoint(container.format.name.split(",")):
        return 0
    length_ns: int = (container.duration or 0) * (_SECOND_NS // av.time_base)
    if all(track.duration for track in tracks):  # the container's may be that of a longer subtitle
        ends = [(t.start_time or 0) * t.time_base + t.duration * t.time_base for t in tracks]
        length_ns = round(max(ends) * _SECOND_NS) - start_ns
    # Headers round, and the last picture stands for a while.
    frame_ns = max((round(_SECOND_NS / (t.average_rate or 25)) for t in tracks if t.type == "video"), default=0)
    return length_ns - length_ns // 50 - _SECOND_NS // 4 - frame_ns


def _upright_bgr(picture: Any, pixel_aspect: Any | None) -> NDArray[np.uint8]:
    """BGR uint8 (height, width, 3), as the file means it to be seen, at most 1280 px on a side."""
    width_px = picture.width * float(pixel_aspect or 1)
    scale = min(1.0, LONGEST_SIDE_PX / max(width_px, picture.height))
    image: NDArray[np.uint8] = picture.to_ndarray(
        format="bgr24",
        width=max(1, round(width_px * scale)),
        height=max(1, round(picture.height * scale)),
    )
    # Not from ``side_data``: in PyAV 18 it keeps frames alive in a cycle, and crashes when that is collected.
    turn = _TURNS.get(picture.rotation % 360)
    return image if turn is None else cv2.rotate(image, turn)

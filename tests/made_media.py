"""Media files made by PyAV when a test needs them: nothing binary is kept in the repository."""

from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
from numpy.typing import NDArray

MILLISECOND = Fraction(1, 1000)


def tone(seconds: float, rate_hz: int = 48_000, hz: float = 440.0) -> NDArray[np.int16]:
    """A sine of a third of full scale, int16 (n,)."""
    times_s = np.arange(round(seconds * rate_hz)) / rate_hz
    return (0.3 * 32767 * np.sin(2 * np.pi * hz * times_s)).astype(np.int16)


def marked(index: int, width: int = 160, height: int = 120) -> NDArray[np.uint8]:
    """A grey BGR picture, lighter with every index, with a red band on top and a blue one at the left."""
    image = np.full((height, width, 3), 30 + 8 * (index % 20), np.uint8)
    image[:, : width // 4] = (255, 0, 0)
    image[: height // 4] = (0, 0, 255)
    return image


def every(interval_s: float, pictures: list[NDArray[np.uint8]]) -> list[tuple[float, NDArray[np.uint8]]]:
    """The pictures with their times, s."""
    return [(index * interval_s, picture) for index, picture in enumerate(pictures)]


def write_media(
    path: Path,
    pictures: list[tuple[float, NDArray[np.uint8]]] | None = None,
    sound: NDArray[np.int16] | None = None,
    *,
    rate_hz: int = 48_000,
    channels: int = 1,
    sound_gaps: dict[float, float] | None = None,
    video_codec: str = "libx264",
    audio_codec: str = "aac",
    sound_last: bool = False,
    rotation_deg: int = 0,
    options: dict[str, str] | None = None,
) -> Path:
    """Writes a file; its suffix says which container.

    Args:
        pictures: (time in s, BGR image) in order of time.
        sound: int16 (n,), the same in every channel.
        sound_gaps: at this second of the sound, so many seconds pass without any.
        sound_last: all the sound lies behind all the pictures in the file.
        rotation_deg: display matrix; -90 is a phone held upright.
    """
    events: list[tuple[float, Any, Any]] = []
    options = dict(options or {}) | ({"max_interleave_delta": "1"} if sound_last else {})
    with av.open(str(path), "w", options=options) as container:
        if pictures:
            height, width = pictures[0][1].shape[:2]
            codec_options = {"preset": "ultrafast"} if video_codec == "libx264" else {}
            video: Any = container.add_stream(video_codec, rate=30, options=codec_options)
            video.width, video.height = width, height
            video.pix_fmt = "yuvj420p" if video_codec == "mjpeg" else "yuv420p"
            video.codec_context.time_base = MILLISECOND
            if rotation_deg:
                video.set_display_rotation(rotation_deg)
            for at_s, image in pictures:
                frame = av.VideoFrame.from_ndarray(image, "bgr24")
                frame.pts, frame.time_base = round(at_s * 1000), MILLISECOND
                events.append((at_s, video, frame))
        if sound is not None:
            layout = "stereo" if channels == 2 else "mono"
            audio: Any = container.add_stream(audio_codec, rate=rate_hz, layout=layout)
            late_s = 0.0
            gaps = dict(sound_gaps or {})
            for start in range(0, len(sound), rate_hz // 10):
                piece = np.repeat(sound[start : start + rate_hz // 10], channels)[np.newaxis]
                late_s += gaps.pop(round(start / rate_hz, 3), 0.0)
                frame_s = av.AudioFrame.from_ndarray(piece, "s16", layout)
                frame_s.sample_rate, frame_s.time_base = rate_hz, Fraction(1, rate_hz)
                frame_s.pts = start + round(late_s * rate_hz)
                events.append((start / rate_hz + late_s, audio, frame_s))
        for _at_s, stream, frame in events if sound_last else sorted(events, key=lambda event: event[0]):
            container.mux(stream.encode(frame))
        for stream in container.streams:
            container.mux(stream.encode(None))
    return path


def write_mp3_with_cover(path: Path, sound: NDArray[np.int16], rate_hz: int = 44_100) -> Path:
    """An mp3 whose tag holds a cover picture, which FFmpeg shows as a video track."""
    with av.open(str(path), "w") as container:
        audio: Any = container.add_stream("libmp3lame", rate=rate_hz, layout="mono")
        cover: Any = container.add_stream("png", rate=1)
        cover.width, cover.height, cover.pix_fmt = 64, 64, "rgb24"
        cover.disposition = av.stream.Disposition.attached_pic
        container.mux(cover.encode(av.VideoFrame.from_ndarray(marked(3, 64, 64), "bgr24").reformat(format="rgb24")))
        container.mux(cover.encode(None))
        for start in range(0, len(sound), 4410):
            frame = av.AudioFrame.from_ndarray(sound[np.newaxis, start : start + 4410], "s16", "mono")
            frame.sample_rate, frame.pts, frame.time_base = rate_hz, start, Fraction(1, rate_hz)
            container.mux(audio.encode(frame))
        container.mux(audio.encode(None))
    return path


def cut(source: Path, target: Path, part: float) -> Path:
    """The first part (0..1) of a file's bytes, as a full disk or a pulled plug leaves it."""
    whole = source.read_bytes()
    target.write_bytes(whole[: int(len(whole) * part)])
    return target


def damage(source: Path, target: Path, kind: str, packets: range) -> Path:
    """A copy in which these packets of the first video or audio track are overwritten with 0xA5."""
    whole = bytearray(source.read_bytes())
    with av.open(str(source)) as container:
        stream = next(stream for stream in container.streams if stream.type == kind)
        found = [bytes(packet) for packet in container.demux(stream) if packet.size]
    for index in packets:
        at = whole.index(found[index])
        whole[at : at + len(found[index])] = b"\xa5" * len(found[index])
    target.write_bytes(bytes(whole))
    return target

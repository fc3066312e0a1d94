"""Media files of every kind that people bring: whole, odd and broken."""

import logging
import tracemalloc
import wave
from pathlib import Path

import numpy as np
import pytest

from edge.capture.media_file import BLOCK_SAMPLES, LONGEST_SIDE_PX, MediaFile
from edge.capture.sample import SAMPLE_RATE_HZ, AudioBlock, Frame, Sample
from edge.errors import M3erError
from tests.made_media import cut, damage, every, marked, tone, write_media, write_mp3_with_cover

SECOND_NS = 1_000_000_000


def played(path: Path, max_frames_per_s: float = 10.0) -> tuple[list[Frame], list[AudioBlock], MediaFile]:
    """Everything in a file, once the order of its stamps was checked."""
    with MediaFile(path, max_frames_per_s) as media:
        samples: list[Sample] = list(media.samples())
    stamps = [sample.captured_ns for sample in samples]
    assert stamps == sorted(stamps)
    assert stamps[0] >= 0
    frames = [sample for sample in samples if isinstance(sample, Frame)]
    blocks = [sample for sample in samples if isinstance(sample, AudioBlock)]
    for frame in frames:
        assert frame.image.dtype == np.uint8 and frame.image.ndim == 3 and frame.image.flags.c_contiguous
    for block in blocks:
        assert block.samples.dtype == np.int16 and 0 < block.samples.size <= BLOCK_SAMPLES
    return frames, blocks, media


def sample_count(blocks: list[AudioBlock]) -> int:
    return sum(block.samples.size for block in blocks)


def mean_colour(image: np.ndarray, row: float, column: float) -> str:
    height, width = image.shape[:2]
    blue, _green, red = image[int(row * height), int(column * width)].tolist()
    return "red" if red > 180 and blue < 80 else "blue" if blue > 180 and red < 80 else "grey"


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """3 s, 20 frames/s, sound 48 kHz mono."""
    path = tmp_path_factory.mktemp("media") / "clip.mkv"
    return write_media(path, every(0.05, [marked(i) for i in range(60)]), tone(3.0))


# --- whole files -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("suffix", ["mp4", "mkv", "mov", "avi", "ts"])
def test_picture_and_sound(tmp_path: Path, suffix: str) -> None:
    codec = "mpeg4" if suffix == "avi" else "libx264"
    path = write_media(
        tmp_path / f"clip.{suffix}",
        every(1 / 30, [marked(i) for i in range(90)]),
        tone(3.0),
        video_codec=codec,
    )
    frames, blocks, media = played(path)
    assert media.has_picture and media.has_sound and not media.truncated and media.skipped_packets == 0
    assert media.duration_s == pytest.approx(3.0, abs=0.1)
    assert 29 <= len(frames) <= 31
    assert sample_count(blocks) == pytest.approx(3 * SAMPLE_RATE_HZ, abs=BLOCK_SAMPLES)
    assert frames[0].captured_ns < SECOND_NS // 10
    assert blocks[-1].captured_ns == pytest.approx(3 * SECOND_NS, abs=SECOND_NS // 10)
    assert frames[0].image.shape == (120, 160, 3)
    assert mean_colour(frames[0].image, 0.1, 0.6) == "red"
    assert mean_colour(frames[0].image, 0.6, 0.1) == "blue"


def test_a_block_is_stamped_when_its_last_sample_arrived(clip: Path) -> None:
    _frames, blocks, _media = played(clip)
    assert blocks[0].samples.size == BLOCK_SAMPLES
    assert blocks[0].captured_ns == pytest.approx(SECOND_NS // 10, abs=SECOND_NS // 20)
    steps = np.diff([block.captured_ns for block in blocks[:-1]])
    assert np.all(np.abs(steps - SECOND_NS // 10) < 1000)


def test_the_tone_survives_resampling(tmp_path: Path) -> None:
    path = write_media(tmp_path / "t.wav", sound=tone(2.0, 44_100), rate_hz=44_100, audio_codec="pcm_s16le")
    _frames, blocks, _media = played(path)
    sound = np.concatenate([block.samples for block in blocks]).astype(float)
    spectrum = np.abs(np.fft.rfft(sound * np.hanning(sound.size)))
    assert np.argmax(spectrum) * SAMPLE_RATE_HZ / sound.size == pytest.approx(440, abs=2)
    assert np.sqrt(np.mean(sound[1600:-1600] ** 2)) == pytest.approx(0.3 * 32767 / np.sqrt(2), rel=0.02)


def test_sound_alone_8khz_stereo(tmp_path: Path) -> None:
    path = write_media(
        tmp_path / "phone.wav", sound=tone(1.25, 8000), rate_hz=8000, channels=2, audio_codec="pcm_s16le"
    )
    frames, blocks, media = played(path)
    assert not media.has_picture and media.has_sound and frames == []
    assert sample_count(blocks) == pytest.approx(1.25 * SAMPLE_RATE_HZ, abs=50)
    assert max(np.abs(block.samples).max() for block in blocks) > 8000


def test_picture_alone(tmp_path: Path) -> None:
    frames, blocks, media = played(write_media(tmp_path / "mute.mp4", every(0.1, [marked(i) for i in range(10)])))
    assert media.has_picture and not media.has_sound and blocks == [] and len(frames) == 10
    assert not media.truncated


def test_mp3_cover_is_no_camera(tmp_path: Path) -> None:
    path = write_mp3_with_cover(tmp_path / "song.mp3", tone(1.0, 44_100))
    frames, blocks, media = played(path)
    assert not media.has_picture and media.has_sound and frames == []
    assert sample_count(blocks) == pytest.approx(SAMPLE_RATE_HZ, abs=BLOCK_SAMPLES)
    assert not media.truncated


@pytest.mark.parametrize(
    ("rotation_deg", "red_at", "blue_at"),
    [
        (0, (0.1, 0.6), (0.6, 0.1)),
        (-90, (0.6, 0.9), (0.1, 0.4)),
        (90, (0.4, 0.1), (0.9, 0.6)),
        (180, (0.9, 0.4), (0.4, 0.9)),
    ],
)
def test_rotation(tmp_path: Path, rotation_deg: int, red_at: tuple[float, float], blue_at: tuple[float, float]) -> None:
    path = write_media(tmp_path / "r.mp4", every(0.1, [marked(i) for i in range(3)]), rotation_deg=rotation_deg)
    image = played(path)[0][0].image
    assert image.shape == ((160, 120, 3) if abs(rotation_deg) == 90 else (120, 160, 3))
    assert mean_colour(image, *red_at) == "red"
    assert mean_colour(image, *blue_at) == "blue"


def test_4k_portrait_is_scaled_down(tmp_path: Path) -> None:
    pictures = every(0.1, [marked(i, 3840, 2160) for i in range(4)])
    frames, _blocks, _media = played(write_media(tmp_path / "phone.mp4", pictures, rotation_deg=-90))
    assert len(frames) == 4
    assert frames[0].image.shape == (LONGEST_SIDE_PX, LONGEST_SIDE_PX * 9 // 16, 3)
    assert mean_colour(frames[0].image, 0.6, 0.9) == "red"


def test_variable_frame_rate(tmp_path: Path) -> None:
    times_s = [0.0, 0.3, 0.35, 0.9, 1.0, 1.02, 1.04, 1.5, 2.9]
    path = write_media(tmp_path / "vfr.mkv", [(t, marked(i)) for i, t in enumerate(times_s)], tone(3.0))
    frames, _blocks, media = played(path, max_frames_per_s=1000)
    assert [frame.captured_ns / SECOND_NS for frame in frames] == pytest.approx(times_s, abs=0.03)
    assert not media.truncated
    thinned = [frame.captured_ns / SECOND_NS for frame in played(path)[0]]
    assert thinned == pytest.approx([0.0, 0.3, 0.9, 1.0, 1.5, 2.9], abs=0.03)


def test_at_most_so_many_frames(clip: Path) -> None:
    stamps = np.array([frame.captured_ns for frame in played(clip, max_frames_per_s=5.0)[0]])
    assert len(stamps) == 15
    assert np.diff(stamps) == pytest.approx(SECOND_NS / 5, abs=SECOND_NS / 100)


def test_a_gap_in_the_sound_keeps_its_time(tmp_path: Path) -> None:
    path = write_media(tmp_path / "gap.mkv", sound=tone(2.0), audio_codec="pcm_s16le", sound_gaps={1.0: 0.7})
    _frames, blocks, _media = played(path)
    ends_s = np.array([block.captured_ns for block in blocks]) / SECOND_NS
    assert np.diff(ends_s).max() == pytest.approx(0.8, abs=0.05)
    assert ends_s[-1] == pytest.approx(2.7, abs=0.05)
    assert sample_count(blocks) == pytest.approx(2 * SAMPLE_RATE_HZ, abs=50)


def test_a_new_time_line_in_the_middle_goes_on(tmp_path: Path) -> None:
    # Two recordings joined byte by byte, as cameras do with transport streams: the stamps start over.
    part = write_media(tmp_path / "part.ts", every(0.05, [marked(i) for i in range(40)]), tone(2.0))
    joined = tmp_path / "joined.ts"
    joined.write_bytes(part.read_bytes() * 2)
    frames, blocks, _media = played(joined)
    assert frames[-1].captured_ns / SECOND_NS == pytest.approx(3.95, abs=0.2)
    assert sample_count(blocks) == pytest.approx(4 * SAMPLE_RATE_HZ, abs=2 * BLOCK_SAMPLES)
    assert max(np.diff([frame.captured_ns for frame in frames])) < 0.3 * SECOND_NS


def test_samples_start_over(clip: Path) -> None:
    with MediaFile(clip) as media:
        first = media.samples()
        stamps = [next(first).captured_ns for _ in range(5)]
        second = media.samples()
        assert [next(second).captured_ns for _ in range(5)] == stamps
        assert list(first) == []


def test_badly_interleaved_file_is_ordered_in_little_memory(tmp_path: Path) -> None:
    # All the sound lies behind all the pictures: a reader that buffered would hold every frame, 55 MB.
    pictures = every(0.1, [marked(i, 640, 480) for i in range(60)])
    path = write_media(tmp_path / "late.mkv", pictures, tone(6.0), sound_last=True)
    tracemalloc.start()
    with MediaFile(path) as media:
        stamps = [sample.captured_ns for sample in media.samples()]
    _now, peak_bytes = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert stamps == sorted(stamps) and len(stamps) > 110
    assert peak_bytes < 8e6


# --- broken files ------------------------------------------------------------------------------------------------


def test_truncated_mkv_is_played_as_far_as_it_goes(
    clip: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        frames, blocks, media = played(cut(clip, tmp_path / "cut.mkv", 0.6))
    assert media.truncated and "breaks off" in caplog.text
    assert 0.8 < blocks[-1].captured_ns / SECOND_NS < 2.6
    assert len(frames) > 8


def test_truncated_mp4_with_its_index_in_front(tmp_path: Path) -> None:
    path = write_media(
        tmp_path / "front.mp4",
        every(0.05, [marked(i) for i in range(60)]),
        tone(3.0),
        options={"movflags": "faststart"},
    )
    assert not played(path)[2].truncated
    frames, blocks, media = played(cut(path, tmp_path / "cut.mp4", 0.6))
    assert media.truncated and len(frames) > 5 and sample_count(blocks) > SAMPLE_RATE_HZ // 2


def test_truncated_wav(tmp_path: Path) -> None:
    path = write_media(tmp_path / "w.wav", sound=tone(4.0), audio_codec="pcm_s16le")
    _frames, blocks, media = played(cut(path, tmp_path / "cut.wav", 0.5))
    assert media.truncated
    assert sample_count(blocks) == pytest.approx(2 * SAMPLE_RATE_HZ, abs=BLOCK_SAMPLES)


@pytest.mark.parametrize(("kind", "packets"), [("audio", range(40, 46)), ("video", range(20, 24))])
def test_corrupt_packets_in_the_middle_are_skipped(
    tmp_path: Path, kind: str, packets: range, caplog: pytest.LogCaptureFixture
) -> None:
    whole = write_media(
        tmp_path / "whole.mkv",
        every(0.05, [marked(i) for i in range(60)]),
        tone(3.0, 44_100),
        rate_hz=44_100,
        video_codec="mjpeg",
    )
    with caplog.at_level(logging.WARNING):
        frames, blocks, media = played(damage(whole, tmp_path / "hurt.mkv", kind, packets), 20.0)
    assert 0 < media.skipped_packets <= len(packets) + 1 and "corrupt" in caplog.text
    assert not media.truncated
    assert frames[-1].captured_ns > 2.9 * SECOND_NS and blocks[-1].captured_ns > 2.8 * SECOND_NS
    assert len(frames) >= 56


def made_bad(tmp_path: Path, what: str) -> Path:
    path = tmp_path / "bad.mp4"
    if what == "folder":
        path.mkdir()
    elif what == "empty":
        path.write_bytes(b"")
    elif what == "text":
        path.write_text("Dear diary, today I was happy.\n" * 50)
    elif what == "noise":
        path.write_bytes(np.random.default_rng(7).bytes(30_000))
    elif what == "no index":
        whole = write_media(tmp_path / "whole.mp4", every(0.1, [marked(i) for i in range(20)]), tone(2.0))
        cut(whole, path, 0.6)
    elif what == "subtitles":
        path.write_text("1\n00:00:01,000 --> 00:00:02,000\nHello\n\n2\n00:00:03,000 --> 00:00:04,000\nBye\n")
    elif what == "playlist":
        path.write_text("#EXTM3U\n#EXT-X-TARGETDURATION:5\n#EXTINF:5,\nhttp://127.0.0.1:9/a.ts\n#EXT-X-ENDLIST\n")
    elif what == "zero length":
        with wave.open(str(path), "wb") as empty:
            empty.setparams((1, 2, 16_000, 0, "NONE", "not compressed"))
    elif what == "undecodable":
        whole = write_media(tmp_path / "whole.mkv", every(0.1, [marked(i) for i in range(10)]), video_codec="mjpeg")
        damage(whole, path, "video", range(10))
    return path


@pytest.mark.parametrize(
    ("what", "says"),
    [
        ("missing", "no such file"),
        ("folder", "is a folder"),
        ("empty", "is empty"),
        ("text", "not a readable media file"),
        ("noise", "not a readable media file"),
        ("no index", "not a readable media file"),
        ("playlist", "not a readable media file"),
        ("subtitles", "neither picture nor sound"),
        ("zero length", "nothing can be decoded"),
        ("undecodable", "nothing can be decoded"),
    ],
)
def test_bad_input_is_told_in_one_line(tmp_path: Path, what: str, says: str, capfd: pytest.CaptureFixture[str]) -> None:
    path = made_bad(tmp_path, what)
    with pytest.raises(M3erError, match=says) as caught, MediaFile(path) as media:
        list(media.samples())
    message = str(caught.value)
    assert str(path) in message and "\n" not in message and ";" in message
    assert capfd.readouterr() == ("", "")

"""``m3er-export sample-clip``: the project's own film, and what is true in it.

Half a minute of somebody before a robot's camera, in which the camera and the microphone fail by turns. The
picture is drawn by :mod:`export.sample_picture`; espeak-ng speaks, in sentences that ``vosk-tiny-en`` knows.
Beside ``NAME.mp4`` comes ``NAME.truth.json``, a :class:`Truth`. The same seed, voice and libraries give the
same clip.
"""

import argparse
import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import av
import numpy as np
from av.video.frame import PictureType

from edge.capture.sample import SAMPLE_RATE_HZ
from edge.errors import M3erError
from export.sample_picture import HEIGHT_PX, WIDTH_PX, Cover, Filming, Image
from export.sample_truth import Face, Segment, Sentence, Speech, Truth, Word, truth_path
from export.sample_voice import Samples, Voice

FRAME_RATE_HZ = 15
TRANSITION_S = 0.4
"""How long the cover takes to come up once a covered segment has begun, and to go before it ends."""

_SPEECH_RMS = 0.05  # of full scale, so -26 dBFS
# Where the fan blows, the microphone's gain control is taken to turn down by 9 dB: full scale is then more
# than five times the fan's RMS, and nothing clips.
_DROWNED_SPEECH_RMS = 0.018
_FAN_SNR_DB = -20.0
_ROOM_SNR_DB = 30.0
_GAPS_S = (0.18, 0.42)  # natural pauses between sentences
_LEAD_S, _TAIL_S = 0.12, 0.15  # from a segment's border to the nearest word


_LICENCE = (
    "Photograph: NASA (astronaut Eileen Collins), public domain, as bundled in scikit-image "
    "(skimage.data.astronaut). Voice: espeak-ng, synthetic. All else is the project's own work (Apache-2.0)."
)

# From the templates that vosk-tiny-en's language model was trained on, without "i am" and "i'm", which it
# confuses. The photographed person smiles, so what she says is mostly glad.
_SENTENCES = """
hello robot / look at me robot / wow this is amazing / i really love this robot / everything is wonderful /
you are so nice / thank you my friend / i feel very happy today / she is really excited today /
this is so good / yes please come here / we are very happy here / i love it / it was really nice /
do you like my jacket / we can do that / thanks you are great today / i think i've seen this before /
maybe tomorrow it will be cold / don't forget a jacket / the airplane is almost full /
that is exactly what happened / what is that / kids are talking by the door / dogs are sitting by the door /
i wonder what this is about / they are not tired / i would like a new alarm clock /
we'll stop in a couple of minutes / it's eleven o'clock / can you help me /
i think i have a doctor's appointment / my friend is very calm today / wow that is really great /
listen to me / your robot is so good / i want to go home / you are happy and so are you /
i will be happy with you / the robot is never bored / i know everything / did you see it /
the surface is slick / oh this is very nice / he is surprised because of you / you can think about it /
okay wait here
"""


@dataclass(frozen=True)
class _Scene:
    face: Face
    speech: Speech
    target_s: float
    camera: str = "a person's face, the camera drifting slowly"
    microphone: str = "speech over room noise, 30 dB below"


_SCENES = (
    _Scene("good", "good", 8),
    _Scene("covered", "good", 5, camera="the whole face hidden behind a {cover}"),
    _Scene("good", "good", 2),
    _Scene("good", "drowned", 5, microphone="a fan, 20 dB louder than the speech beneath it"),
    _Scene("good", "good", 2),
    _Scene("black", "good", 2.5, camera="black: every frame identical"),
    _Scene("frozen", "good", 2.5, camera="frozen: one picture, every frame identical"),
    _Scene("good", "silent", 4, microphone="room noise only, nobody speaks"),
    _Scene("good", "good", 6),
)


def _noise(rng: np.random.Generator, count: int, rms: float) -> Samples:
    """Broadband noise (count,), falling with frequency as a fan's or a room's does."""
    spectrum = np.fft.rfft(rng.standard_normal(count))
    frequency_hz = np.fft.rfftfreq(count, 1 / SAMPLE_RATE_HZ)
    spectrum *= (frequency_hz > 60) / np.sqrt(np.maximum(frequency_hz, 200))
    noise: Samples = np.fft.irfft(spectrum, count).astype(np.float32)
    noise *= rms / np.sqrt(np.mean(noise**2))
    return noise


def _choose(rng: np.random.Generator, lengths_s: dict[str, float], room_s: float) -> list[tuple[str, float]]:
    """The sentences that fill the room best, each with its start in seconds; whole: no border cuts a word."""
    best: list[tuple[str, float]] = []
    best_miss_s = math.inf
    for _ in range(50):
        chosen: list[tuple[str, float]] = []
        at_s = end_s = 0.0
        for text in rng.permutation(list(lengths_s)):
            if at_s + lengths_s[text] <= room_s + 0.1:
                chosen.append((str(text), at_s))
                end_s = at_s + lengths_s[text]
                at_s = end_s + rng.uniform(*_GAPS_S)
        if abs(room_s - end_s) < best_miss_s:
            best, best_miss_s = chosen, abs(room_s - end_s)
    return best


def _plan(
    rng: np.random.Generator, voice: Voice, rate_wpm: int, cover: Cover
) -> tuple[list[Segment], list[Sentence], Samples]:
    """Which sentences are spoken when, and their sound without noise."""
    bank = voice.say_all([text.strip() for text in _SENTENCES.split("/")], rate_wpm)
    segments: list[Segment] = []
    sentences: list[Sentence] = []
    sound = np.zeros(60 * SAMPLE_RATE_HZ, np.float32)
    start_s = 0.0
    for scene in _SCENES:
        room_s = scene.target_s * rng.uniform(0.96, 1.04) - _LEAD_S - _TAIL_S
        speech_end_s = start_s + _LEAD_S + room_s
        if scene.speech != "silent":
            rms = _SPEECH_RMS if scene.speech == "good" else _DROWNED_SPEECH_RMS
            lengths_s = {text: said.size / SAMPLE_RATE_HZ for text, (said, _) in bank.items()}
            for text, from_s in _choose(rng, lengths_s, room_s):
                said, starts_s = bank.pop(text)
                at_s = start_s + _LEAD_S + from_s
                offset = round(at_s * SAMPLE_RATE_HZ)
                sound[offset : offset + said.size] = said * rms
                speech_end_s = at_s + lengths_s[text]
                sentences.append(_sentence(text, [at_s + t for t in starts_s], speech_end_s, scene.speech))
        end_s = math.ceil((speech_end_s + _TAIL_S) * FRAME_RATE_HZ) / FRAME_RATE_HZ
        segments.append(
            Segment(
                start_s=round(start_s, 4),
                end_s=round(end_s, 4),
                face=scene.face,
                speech=scene.speech,
                camera=scene.camera.format(cover=cover),
                microphone=scene.microphone,
            )
        )
        start_s = end_s
    return segments, sentences, sound[: round(start_s * SAMPLE_RATE_HZ)]


def _sentence(text: str, starts_s: list[float], end_s: float, speech: Speech) -> Sentence:
    bounds_s = [round(t, 3) for t in (*starts_s, end_s)]
    words = [
        Word(word=word, start_s=bounds_s[index], end_s=bounds_s[index + 1]) for index, word in enumerate(text.split())
    ]
    audible = speech == "good"
    return Sentence(start_s=bounds_s[0], end_s=bounds_s[-1], text=text, words=words, audible=audible)


def _add_noise(rng: np.random.Generator, sound: Samples, segments: list[Segment]) -> Samples:
    noisy = sound + _noise(rng, sound.size, _SPEECH_RMS * 10 ** (-_ROOM_SNR_DB / 20))
    for segment in segments:
        if segment.speech == "drowned":
            first, last = (round(t * SAMPLE_RATE_HZ) for t in (segment.start_s, segment.end_s))
            fan = _noise(rng, last - first, _DROWNED_SPEECH_RMS * 10 ** (-_FAN_SNR_DB / 20))
            fade = np.minimum(np.arange(fan.size) / (0.05 * SAMPLE_RATE_HZ), 1)
            noisy[first:last] += fan * fade * fade[::-1]
    return noisy


def _pictures(filming: Filming, segments: list[Segment]) -> Iterator[Image | None]:
    """Each frame of the clip in turn; None stands for the frame before, unchanged to the bit."""
    for segment in segments:
        first, last = (round(t * FRAME_RATE_HZ) for t in (segment.start_s, segment.end_s))
        for index in range(first, last):
            t_s = index / FRAME_RATE_HZ
            if segment.face in ("black", "frozen") and index > first:
                yield None
            elif segment.face == "black":
                yield np.zeros((HEIGHT_PX, WIDTH_PX, 3), np.uint8)
            elif segment.face == "covered":
                nearest_s = min(t_s - segment.start_s, segment.end_s - t_s)
                yield filming.frame(t_s, covered=min(1.0, nearest_s / TRANSITION_S))
            else:
                yield filming.frame(t_s)


def _write(out: Path, pictures: Iterator[Image | None], key_frames: set[int], sound: Samples) -> None:
    """An MP4 of H.264 and AAC, with the moov box first.

    A repeated frame must decode to the very same pixels, which a lossy encoder does not promise: it goes on
    refining a still picture. So each packet is decoded at once, and a repeated frame is fed from that, when
    nothing is left to refine. For this the encoder must not look ahead, nor set key frames of its own accord.
    """
    with av.open(str(out), "w", format="mp4", options={"movflags": "+faststart"}) as container:
        video: Any = container.add_stream("libx264", rate=FRAME_RATE_HZ)
        video.width, video.height, video.pix_fmt = WIDTH_PX, HEIGHT_PX, "yuv420p"
        video.codec_context.thread_count = 1
        video.options = {"crf": "26", "preset": "medium", "tune": "zerolatency", "g": "1000"}
        audio: Any = container.add_stream("aac", rate=SAMPLE_RATE_HZ, layout="mono")
        audio.bit_rate = 64_000
        container.metadata.update(title="m3er-edge sample clip", copyright=_LICENCE)
        container.start_encoding()
        decoder: Any = av.CodecContext.create("h264", "r")
        decoder.extradata, decoder.thread_count = video.codec_context.extradata, 1

        pcm = (np.clip(sound, -1, 1) * 32767).astype(np.int16)
        block = 1024  # samples: one AAC frame
        sent = 0
        frame: Any
        shown: Any = None
        for index, picture in enumerate(pictures):
            if picture is None:
                frame = shown
            else:
                frame = av.VideoFrame.from_ndarray(picture, format="bgr24").reformat(format="yuv420p")
            frame.pts = index
            frame.pict_type = PictureType.I if index in key_frames else PictureType.NONE
            frame.time_base = video.codec_context.time_base
            for packet in video.encode(frame):
                shown = next(iter(decoder.decode(packet)), shown)
                container.mux(packet)
            while sent < min(pcm.size, (index + 1) * SAMPLE_RATE_HZ / FRAME_RATE_HZ):
                part = av.AudioFrame.from_ndarray(pcm[None, sent : sent + block], format="s16", layout="mono")
                part.sample_rate, part.pts = SAMPLE_RATE_HZ, sent
                container.mux(audio.encode(part))
                sent += block
        container.mux(video.encode())
        container.mux(audio.encode())


def make_clip(out: Path, seed: int, voice: str) -> Truth:
    """Make a clip of 30 to 40 s, and its truth beside it.

    Args:
        out: the MP4 to write (replaced if there); 512 x 384 at 15 frames/s, AAC mono at 16 kHz.
        seed: of everything but the voice: sentences, lengths, motion, noise. An odd seed's face is covered by
            a hand; an even seed's by a sheet of paper, and its picture is mirrored and cooler.
        voice: an espeak-ng voice, such as ``en-us+f4``.

    Raises:
        M3erError: when espeak-ng, its voice or scikit-image is missing, ``out`` cannot be written, or
            the seed is negative.
    """
    if seed < 0:
        raise M3erError(f"the sample clip's seed must not be negative: {seed}")
    cover: Cover = "hand" if seed % 2 else "sheet"
    rng = np.random.default_rng([seed, 0])
    filming = Filming(seed, cover)
    rate_wpm = int(rng.integers(165, 186))
    segments, sentences, clean = _plan(rng, Voice(voice), rate_wpm, cover)
    sound = _add_noise(rng, clean, segments)
    truth = Truth(
        seed=seed,
        voice=voice,
        rate_wpm=rate_wpm,
        duration_s=segments[-1].end_s,
        frame_rate_hz=FRAME_RATE_HZ,
        frame_count=round(segments[-1].end_s * FRAME_RATE_HZ),
        width_px=WIDTH_PX,
        height_px=HEIGHT_PX,
        sample_rate_hz=SAMPLE_RATE_HZ,
        cover=cover,
        transition_s=TRANSITION_S,
        licence=_LICENCE,
        segments=segments,
        sentences=sentences,
    )
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        borders = {round(segment.start_s * FRAME_RATE_HZ) for segment in segments}
        _write(out, _pictures(filming, segments), borders, sound)
        truth_path(out).write_text(truth.model_dump_json(indent=1) + "\n", encoding="utf-8")
    except OSError as error:
        raise M3erError(f"cannot write the clip {out}: {error}") from error
    return truth


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of ``m3er-export sample-clip``."""
    parser.add_argument("--out", type=Path, required=True, help="the MP4 to write; its truth comes beside it")
    parser.add_argument("--seed", type=int, default=1, help="another seed, another clip (default: 1)")
    parser.add_argument("--voice", default="en-us+f4", help="an espeak-ng voice (default: en-us+f4)")


def run(args: argparse.Namespace) -> int:
    """Make the clip and say what was made; 0 for the shell."""
    truth = make_clip(args.out, args.seed, args.voice)
    words = sum(len(sentence.words) for sentence in truth.sentences if sentence.audible)
    size_mb = args.out.stat().st_size / 1e6
    print(f"{args.out}: {truth.duration_s:.1f} s, {size_mb:.2f} MB, {words} audible words")
    print(f"{truth_path(args.out)}: what is true in it")
    return 0


if __name__ == "__main__":
    _parser = argparse.ArgumentParser(description=__doc__)
    add_arguments(_parser)
    raise SystemExit(run(_parser.parse_args()))

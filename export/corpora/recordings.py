"""CREMA-D and RAVDESS: acted speech of 115 people, with what listeners heard in it."""

from dataclasses import dataclass
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray
from rich.progress import track

from edge.capture.sample import SAMPLE_RATE_HZ
from edge.errors import M3erError
from edge.perceive.log_mel import SETTINGS, frame_level_db, log_mel
from export.corpora.cache import cached
from export.corpora.emotions import CALM, EMOTIONS, OF_ACTED_SPEECH
from export.corpora.table import read_table

_VOTED = ("angry", "disgust", "fear", "happy", "neutral", "sad")
_SKIP_FLAGS = {"silent", "dup_conflict"}
SPEAKERS = {"train": 0.67, "matching": 0.11, "validation": 0.09, "test": 0.13}
"""Shares of each corpus's speakers. ``matching`` is kept from the encoder, for CCA, basis table and fusion."""


@dataclass(frozen=True)
class Recording:
    """One acted sentence.

    Attributes:
        clip: path in the corpus, without the ending.
        dataset: ``crema`` or ``ravdess``.
        speaker: unique over both corpora.
        intended: the emotion that the actor was asked for, one of EMOTIONS.
        asked_for: the same, but calm stays calm.
        voice_votes, face_votes, both_votes: float32 (7,), shares over EMOTIONS of those who only heard, only
            saw, or heard and saw it; the intended emotion where nobody was asked (RAVDESS).
        frames: float16 (n, MEL_BINS), log-mel of the whole recording.
        begin, end: frames between which somebody speaks.
    """

    clip: str
    dataset: str
    speaker: str
    intended: str
    asked_for: str
    voice_votes: NDArray[np.float32]
    face_votes: NDArray[np.float32]
    both_votes: NDArray[np.float32]
    frames: NDArray[np.float16]
    begin: int
    end: int


def decode_sound(path: Path) -> NDArray[np.int16]:
    """A recording as int16 (n,), mono, 16 kHz. Raises M3erError if it is missing or cannot be decoded."""
    try:
        with av.open(str(path)) as container:
            resampler = av.AudioResampler("s16", "mono", SAMPLE_RATE_HZ)
            parts = [out.to_ndarray()[0] for frame in container.decode(audio=0) for out in resampler.resample(frame)]
    except (av.FFmpegError, OSError, IndexError) as error:
        raise M3erError(f"{path}: cannot be decoded ({error})") from None
    if not parts:
        raise M3erError(f"{path}: holds no sound")
    samples: NDArray[np.int16] = np.concatenate(parts)
    return samples


def read_recordings(folder: Path, cache: Path, seed: int) -> dict[str, list[Recording]]:
    """All usable recordings in the splits of :data:`SPEAKERS`; no speaker is in two of them.

    Args:
        folder: holds ``speech.csv.gz``, ``face_votes.csv.gz`` and the sound files.
        cache: log-mel frames are kept here, by content, so that a second run starts in seconds.
        seed: decides which speaker goes where.
    """
    rows = read_table(folder / "speech.csv.gz", ["path", "dataset", "speaker", "emotion", "flags"])
    rows = [row for row in rows if not _SKIP_FLAGS & set(row["flags"].split(";"))]
    faces = {row["clip"]: row for row in read_table(folder / "face_votes.csv.gz", ["clip", "votes_angry"])}
    key = [
        [row["path"], (folder / row["path"]).stat().st_size if (folder / row["path"]).exists() else -1] for row in rows
    ]
    frames = cached(
        cache,
        "log-mel",
        [key, SETTINGS],
        lambda: _all_frames([folder / row["path"] for row in rows]),
    )
    recordings = [
        _recording(row, faces, frames["frames"][begin:end])
        for row, begin, end in zip(rows, frames["start"][:-1], frames["start"][1:], strict=True)
    ]
    where = _split_speakers(recordings, seed)
    return {name: [r for r in recordings if where[r.speaker] == name] for name in SPEAKERS}


def _all_frames(paths: list[Path]) -> dict[str, NDArray[np.generic]]:
    parts = [log_mel(decode_sound(path)).astype(np.float16) for path in track(paths, "log-mel of the recordings")]
    return {"frames": np.concatenate(parts), "start": np.cumsum([0, *map(len, parts)])}


def _recording(row: dict[str, str], faces: dict[str, dict[str, str]], frames: NDArray[np.float16]) -> Recording:
    clip = row["path"].rsplit(".", 1)[0]
    if row["emotion"] not in OF_ACTED_SPEECH:
        raise M3erError(f"speech.csv.gz: {row['path']} has the unknown emotion {row['emotion']!r}")
    intended = OF_ACTED_SPEECH[row["emotion"]]
    one_hot = np.eye(len(EMOTIONS), dtype=np.float32)[EMOTIONS.index(intended)]
    seen = faces.get(clip.rsplit("/", 1)[-1], {})
    begin, end = spoken(frames)
    return Recording(
        clip=clip,
        dataset=row["dataset"],
        speaker=row["speaker"],
        intended=intended,
        asked_for=CALM if row["emotion"] == CALM else intended,
        voice_votes=_votes(row, "voice_votes_", one_hot),
        face_votes=_votes(seen, "votes_", one_hot),
        both_votes=_votes(row, "multi_votes_", one_hot),
        frames=frames,
        begin=begin,
        end=end,
    )


def spoken(frames: NDArray[np.float16]) -> tuple[int, int]:
    """Between which frames of (n, MEL_BINS) somebody speaks, with 50 ms before and 100 ms behind; at least 100 ms.

    Loud is what stands out of the recording's own quiet: three tenths of the way (in dB) from its quiet frames to its
    loud ones, and no more than 30 dB below those. The corpora's own marks are of no use here: CREMA-D's are the whole
    file, with up to a second of silence before and behind.
    """
    level = frame_level_db(frames.astype(np.float32))
    smooth = np.convolve(np.pad(level, 2, mode="edge"), np.full(5, 0.2), mode="valid")
    quiet, loud = np.percentile(smooth, (10, 95))
    heard = np.flatnonzero(smooth >= max(quiet + 0.3 * (loud - quiet), loud - 30.0))
    begin = max(0, min(int(heard[0]) - 5, len(frames) - 10))
    end = min(len(frames), max(int(heard[-1]) + 11, begin + 10))
    return begin, end


def _votes(row: dict[str, str], prefix: str, otherwise: NDArray[np.float32]) -> NDArray[np.float32]:
    counts = np.zeros(len(EMOTIONS), np.float32)
    for name in _VOTED:
        counts[EMOTIONS.index(OF_ACTED_SPEECH[name])] = float(row.get(prefix + name) or 0)
    return counts / counts.sum() if counts.sum() > 0 else otherwise


def _split_speakers(recordings: list[Recording], seed: int) -> dict[str, str]:
    rng = np.random.default_rng(seed)
    where: dict[str, str] = {}
    for dataset in sorted({r.dataset for r in recordings}):
        speakers = rng.permutation(sorted({r.speaker for r in recordings if r.dataset == dataset}))
        bounds = np.round(np.cumsum([0.0, *SPEAKERS.values()]) * len(speakers)).astype(int)
        for name, begin, end in zip(SPEAKERS, bounds[:-1], bounds[1:], strict=True):
            where.update({str(speaker): name for speaker in speakers[begin:end]})
    return where

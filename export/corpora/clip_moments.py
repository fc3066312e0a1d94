"""Clips to pairs: each clip is seen, heard and read by the device's own perception, then encoded step by step.

The words are the transcript's, as if a recogniser had heard them: evenly spread over the clip, since the corpora do
not say when each word was spoken.
"""

import hashlib
import logging
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rich.progress import Progress

from edge.bundle import NetName
from edge.capture import media_file
from edge.errors import M3erError
from edge.perceive import (
    face_crop,
    face_detector,
    face_perception,
    face_tracker,
    log_mel,
    picture_evidence,
    sound_evidence,
    speech_perception,
)
from edge.perceive.face_crop import CROP_SIZE_PX, face_input
from edge.perceive.face_detector import FaceDetector, HaarDetector, YuNetDetector
from edge.perceive.log_mel import MEL_BINS, WINDOW_FRAMES
from edge.perceive.tokens import Vocabulary, words_of
from edge.reading import MODALITIES
from export.corpora import clip_perception
from export.corpora.cache import cached, source_digest
from export.corpora.clip import Clip, report_skipped
from export.corpora.clip_perception import Watch, watch
from export.corpora.paired import PairedSteps
from export.corpora.vote_matched import STEPS, Encode

_WORDS_S = 6.0  # older words do not belong to the moment any more, as in edge.perceive.text_perception
_BATCH_CLIPS = 200
"""Clips cached together, 50 MB of them: a stopped run goes on with the next."""
_BATCH_INPUTS = 1_024
_REMEDY = "copy them again, or convert them with ffmpeg"
_CODE = (
    media_file,
    face_crop,
    face_detector,
    face_perception,
    face_tracker,
    log_mel,
    picture_evidence,
    sound_evidence,
    speech_perception,
)
_log = logging.getLogger(__name__)

Arrays = dict[str, NDArray[Any]]


@dataclass(frozen=True)
class Moments:
    """What the encoders would be given in n clips, in the last STEPS steps of each; not yet features.

    The last step of a shorter clip is repeated. What is not present is zeros.

    Attributes:
        clips: the n clips that could be read, in their order.
        faces: uint8 (n, STEPS, 48, 48), the newest crop of the speaker's face, as for ``face_input``.
        log_mel: float16 (n, STEPS, 300, 48), as ``speech_input`` gives it.
        words: for each clip and step, the words of the last seconds.
        present: bool (n, STEPS, 3), in the order of MODALITIES.
    """

    clips: list[Clip]
    faces: NDArray[np.uint8]
    log_mel: NDArray[np.float16]
    words: list[list[tuple[str, ...]]]
    present: NDArray[np.bool_]


def prepare_clips(clips: Sequence[Clip], cache: Path, face_model: Path | None = None) -> Moments:
    """Decode and perceive all clips, each media file once.

    Cached by content: the media's paths, sizes and times of change, the parts, the face detector, the program. A clip
    that cannot be read, or has no sample in its part, is left out, counted and logged.

    Args:
        cache: a folder; about 200 kB a clip.
        face_model: YuNet's file; OpenCV's Haar cascade without.

    Raises:
        M3erError: there are no clips, most of them cannot be read, or the face model is no YuNet.
    """
    if not clips:
        raise M3erError("there are no clips to prepare; check the corpus folder")
    detector: FaceDetector = YuNetDetector(face_model) if face_model else HaarDetector()
    model = hashlib.sha256(face_model.read_bytes()).hexdigest() if face_model else ""
    settings = [detector.name, model, STEPS, source_digest(*_CODE, clip_perception, sys.modules[__name__])]
    arrays = _empty(len(clips))
    with Progress() as progress:
        task = progress.add_task("perceiving the clips", total=len(clips))
        done = 0
        for batch in _batches(clips):
            chosen = [clips[i] for i in batch]
            compute = partial(_perceive, chosen, detector, partial(progress.advance, task))
            part = cached(cache, "clip-moments", [settings, [_identity(clip) for clip in chosen]], compute)
            for key, array in arrays.items():
                array[batch] = part[key]
            done += len(batch)
            progress.update(task, completed=done)
    return _moments(clips, arrays)


def encode_moments(
    moments: Moments, encode: Mapping[NetName, Encode], vocabulary: Vocabulary, label_names: Sequence[str]
) -> PairedSteps:
    """Features of every step that is present, zeros elsewhere; one-hot labels.

    Args:
        encode: for ``face``, ``speech`` and ``text``: float32 (n, 1, 48, 48), float32 (n, 1, 300, 48) and int32
            (n, 32) to features, float32 (n, dim).
        label_names: the classes, in the order of the labels' columns.

    Raises:
        M3erError: a clip's emotion is none of them.
    """
    labels = np.zeros((len(moments.clips), len(label_names)), np.float32)
    for row, clip in enumerate(moments.clips):
        if clip.emotion not in label_names:
            raise M3erError(
                f"{clip.dataset}, {clip.name}: the emotion {clip.emotion!r} is none of {', '.join(label_names)}"
            )
        labels[row, list(label_names).index(clip.emotion)] = 1.0
    faces = moments.faces.reshape(-1, CROP_SIZE_PX, CROP_SIZE_PX)
    windows = moments.log_mel.reshape(-1, 1, WINDOW_FRAMES, MEL_BINS)
    words = [words for steps in moments.words for words in steps]
    make: dict[NetName, Callable[[NDArray[np.int64]], NDArray[Any]]] = {
        "face": lambda rows: face_input(faces[rows]),
        "speech": lambda rows: windows[rows].astype(np.float32),
        "text": lambda rows: np.concatenate([vocabulary.encode(words[row]) for row in rows]),
    }
    present = moments.present.reshape(-1, len(MODALITIES))
    features = {}
    for number, m in enumerate(MODALITIES):
        rows = np.flatnonzero(present[:, number])
        some = rows if len(rows) else np.zeros(1, np.int64)  # one run tells the size of a feature
        batches = [some[i : i + _BATCH_INPUTS] for i in range(0, len(some), _BATCH_INPUTS)]
        encoded = np.concatenate([encode[m](make[m](batch)) for batch in batches])
        whole = np.zeros((len(present), encoded.shape[1]), np.float32)
        whole[rows] = encoded[: len(rows)]
        features[m] = whole.reshape(len(moments.clips), STEPS, -1)
    datasets = np.array([clip.dataset for clip in moments.clips])
    return PairedSteps(features, moments.present, labels, datasets)


def _batches(clips: Sequence[Clip]) -> list[list[int]]:
    """Numbers of clips; those of one media file stay together, so that it is decoded once."""
    batches: list[list[int]] = []
    for numbers in _by_media(clips).values():
        if not batches or len(batches[-1]) + len(numbers) > _BATCH_CLIPS:
            batches.append([])
        batches[-1] += numbers
    return batches


def _by_media(clips: Sequence[Clip]) -> dict[Path, list[int]]:
    numbers: dict[Path, list[int]] = {}
    for i, clip in enumerate(clips):
        numbers.setdefault(clip.media, []).append(i)
    return numbers


def _identity(clip: Clip) -> list[object]:
    """What a clip's arrays depend on; not its label and its words, which may be put right at no cost."""
    identity: list[object] = [clip.begin_s, clip.end_s, clip.side]
    for path in (clip.media, clip.sound):
        state = path.stat() if path is not None and path.is_file() else None
        identity += [str(path), state.st_size if state else -1, state.st_mtime_ns if state else -1]
    return identity


def _empty(clips: int) -> Arrays:
    return {
        "faces": np.zeros((clips, STEPS, CROP_SIZE_PX, CROP_SIZE_PX), np.uint8),
        "log_mel": np.zeros((clips, STEPS, WINDOW_FRAMES, MEL_BINS), np.float16),
        "face_present": np.zeros((clips, STEPS), np.bool_),
        "speech_present": np.zeros((clips, STEPS), np.bool_),
        "at_s": np.zeros((clips, STEPS), np.float64),
        "readable": np.zeros(clips, np.bool_),
    }


def _perceive(clips: Sequence[Clip], detector: FaceDetector, advance: Callable[[], None]) -> Arrays:
    arrays = _empty(len(clips))
    for media, numbers in _by_media(clips).items():
        watches: dict[int, Watch] = {}
        for i in numbers:
            try:
                watches[i] = Watch(clips[i], detector)
            except M3erError as error:
                _log.info("%s", error)
        try:
            watch(media, list(watches.values()))
        except M3erError as error:
            _log.info("%s", error)
        for i, seen in watches.items():
            for place, step in enumerate(seen.steps()):
                arrays["readable"][i] = True
                arrays["at_s"][i, place] = step.at_ns / 1e9
                if step.face is not None:
                    arrays["faces"][i, place], arrays["face_present"][i, place] = step.face, True
                if step.speech is not None:
                    arrays["log_mel"][i, place], arrays["speech_present"][i, place] = step.speech, True
        for _ in numbers:
            advance()
    return arrays


def _moments(clips: Sequence[Clip], arrays: Arrays) -> Moments:
    readable = arrays["readable"]
    bad = [clip.name for clip, good in zip(clips, readable, strict=True) if not good]
    report_skipped(bad, len(clips), "clips cannot be read", _REMEDY)
    kept = np.flatnonzero(readable).tolist()
    words = [heard_words(clips[i].transcript, arrays["at_s"][i].tolist()) for i in kept]
    text = np.array([[bool(step) for step in steps] for steps in words], np.bool_)
    whole = len(kept) == len(clips)  # a selection would copy gigabytes
    return Moments(
        clips=[clips[i] for i in kept],
        faces=arrays["faces"] if whole else arrays["faces"][kept],
        log_mel=arrays["log_mel"] if whole else arrays["log_mel"][kept],
        words=words,
        present=np.stack([arrays["face_present"][kept], arrays["speech_present"][kept], text], axis=2),
    )


def heard_words(transcript: str, at_s: list[float]) -> list[tuple[str, ...]]:
    """The words of the last 6 s at each step: spread evenly from the beginning, the last one heard at the last step.

    Args:
        transcript: as written.
        at_s: the steps' times in the clip, seconds, ascending; they may repeat.
    """
    words = words_of(transcript)
    heard_s = [at_s[-1] * (i + 1) / len(words) for i in range(len(words))]
    return [
        tuple(word for word, s in zip(words, heard_s, strict=True) if step_s - _WORDS_S < s <= step_s + 1e-6)
        for step_s in at_s
    ]

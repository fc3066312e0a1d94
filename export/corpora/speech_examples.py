"""Recordings as an encoder's training examples, cut and disturbed as a robot hears people."""

import numpy as np
from numpy.typing import NDArray

from edge.perceive.log_mel import FRAME_HOP_S, MEL_BINS, WINDOW_FRAMES, speech_input
from export.corpora.emotions import CALM, EMOTIONS
from export.corpora.recordings import Recording
from export.corpora.speech_noise import colour, steady_noise
from export.nets.encoder_training import Examples, Target

_SMOOTHING = 0.05
_RAVDESS_WEIGHT = 2.0
"""It has a fifth of CREMA-D's clips, and two emotions that CREMA-D lacks."""


def speech_examples(recordings: list[Recording]) -> Examples:
    """Windows that end somewhere in or shortly after the sentence, some with what was said before it.

    Heads: ``intended``, what the actor was asked for, eight classes because RAVDESS tells calm from neutral; and
    ``heard``, what listeners of the voice alone voted.
    """
    before = Before(recordings)
    classes = (*EMOTIONS, CALM)
    numbers = [classes.index(r.asked_for) for r in recordings]
    intended = np.eye(len(classes))[numbers] * (1 - _SMOOTHING) + _SMOOTHING / len(classes)
    heard = np.stack([r.voice_votes for r in recordings])
    weights = np.array([_RAVDESS_WEIGHT if r.dataset == "ravdess" else 1.0 for r in recordings], np.float32)
    weights /= weights.mean()

    def make_inputs(numbers: NDArray[np.int64], rng: np.random.Generator | None) -> NDArray[np.float32]:
        if rng is None:
            return np.stack([window(recordings[i], recordings[i].end) for i in numbers])
        return np.stack([_disturbed_window(recordings[i], before, rng) for i in numbers])

    return Examples(
        make_inputs,
        {
            "intended": Target(np.asarray(intended, np.float32), weights),
            "heard": Target(heard, np.asarray(weights / 2, np.float32)),
        },
    )


class Before:
    """What the same person may have said just before, in the same mood.

    A robot's window of 3 s is full while somebody talks on; a corpus holds single sentences of 2 s. Without this,
    an encoder finds every talkative person strange.
    """

    def __init__(self, recordings: list[Recording]) -> None:
        self._alike: dict[tuple[str, str], list[Recording]] = {}
        for recording in recordings:
            self._alike.setdefault((recording.speaker, recording.intended), []).append(recording)

    def frames(self, recording: Recording, rng: np.random.Generator) -> NDArray[np.float32]:
        """Another sentence of theirs and a pause of 0.05 to 0.5 s, float32 (n, MEL_BINS)."""
        alike = self._alike[recording.speaker, recording.intended]
        other = alike[rng.integers(len(alike))]
        said = other.frames[other.begin : other.end].astype(np.float32)
        quiet = said[said.max(axis=1).argsort()[: max(3, len(said) // 20)]]
        pause = quiet[rng.integers(0, len(quiet), rng.integers(5, 50))]
        return np.concatenate([said, pause])


def window(recording: Recording, end: int, before: NDArray[np.float32] | None = None) -> NDArray[np.float32]:
    """What the encoder would be given at frame `end` of the recording, float32 (1, 300, 48).

    Args:
        before: frames of what was said before it; None for silence.
    """
    begin = max(recording.begin, end - WINDOW_FRAMES)
    frames = recording.frames[begin:end].astype(np.float32)
    return speech_input(frames if before is None else np.concatenate([before, frames]))


def step_ends(recording: Recording, hop_s: float) -> list[int]:
    """The frames at which a step every `hop_s` falls while this sentence is spoken; at least one."""
    hop = round(hop_s / FRAME_HOP_S)
    ends = list(range(recording.begin + hop, recording.end, hop))
    return [*ends, recording.end]


def _disturbed_window(recording: Recording, before: Before, rng: np.random.Generator) -> NDArray[np.float32]:
    frames = heard(recording, before, rng)
    if rng.random() < 0.15:
        frames = steady_noise(frames, rng.uniform(2.5, 9.0), rng)
    out = speech_input(frames)
    low, width = rng.integers(0, MEL_BINS - 6), rng.integers(0, 7)
    out[:, :, low : low + width] = -1.0
    at, length = rng.integers(0, WINDOW_FRAMES - 25), rng.integers(0, 25)
    out[:, at : at + length] = -1.0
    return out


def heard(recording: Recording, before: Before, rng: np.random.Generator, talk_on: float = 0.2) -> NDArray[np.float32]:
    """Log-mel frames (n, MEL_BINS) up to some moment, at another speed, by another throat and microphone."""
    begin, end = recording.begin, recording.end
    if rng.random() < 0.2:  # a step falls in the middle of the sentence, too
        end = begin + int(rng.uniform(min(100, end - begin), end - begin))
    speed = rng.uniform(0.9, 1.1)
    positions = np.arange(begin, end, speed).astype(int)
    frames = recording.frames[positions].astype(np.float32)
    tail = min(int(rng.integers(0, 50)), len(recording.frames) - end)
    if tail > 0:
        frames = np.concatenate([frames, recording.frames[end : end + tail].astype(np.float32)])
    if rng.random() < talk_on:
        frames = np.concatenate([before.frames(recording, rng), frames])
    return _other_throat(frames, rng) + colour(rng)


def _other_throat(frames: NDArray[np.float32], rng: np.random.Generator) -> NDArray[np.float32]:
    """Moved up or down by at most two mel bins: a longer or shorter throat, a higher or lower voice."""
    at = np.clip(np.arange(MEL_BINS) + rng.uniform(-2, 2), 0, MEL_BINS - 1)
    low = np.floor(at).astype(int)
    share = (at - low).astype(np.float32)
    moved: NDArray[np.float32] = frames[:, low] * (1 - share) + frames[:, np.minimum(low + 1, MEL_BINS - 1)] * share
    return moved

"""Recordings as an encoder's training examples, cut and disturbed as a robot hears people."""

import numpy as np
from numpy.typing import NDArray

from edge.perceive.log_mel import FRAME_HOP_S, MEL_BINS, WINDOW_FRAMES, speech_input
from export.corpora.emotions import EMOTIONS
from export.corpora.recordings import Recording
from export.nets.encoder_training import Examples

_INTENDED_SHARE = 0.5
"""Soft label: half what the actor was asked for, half what listeners of the voice alone heard."""


def speech_labels(recordings: list[Recording]) -> NDArray[np.float32]:
    """Soft labels, float32 (n, 7)."""
    one_hot = np.eye(len(EMOTIONS), dtype=np.float32)[[EMOTIONS.index(r.intended) for r in recordings]]
    heard = np.stack([r.voice_votes for r in recordings])
    return (_INTENDED_SHARE * one_hot + (1 - _INTENDED_SHARE) * heard).astype(np.float32)


def speech_examples(recordings: list[Recording]) -> Examples:
    """Windows that end somewhere in or shortly after the sentence, some with what was said before it."""
    before = Before(recordings)

    def make_inputs(numbers: NDArray[np.int64], rng: np.random.Generator | None) -> NDArray[np.float32]:
        if rng is None:
            return np.stack([window(recordings[i], recordings[i].end) for i in numbers])
        return np.stack([_disturbed_window(recordings[i], before, rng) for i in numbers])

    return Examples(make_inputs, speech_labels(recordings), np.ones(len(recordings), np.float32))


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
    begin, end = recording.begin, recording.end
    if rng.random() < 0.4:  # a step falls in the middle of the sentence, too
        end = begin + int(rng.uniform(min(80, end - begin), end - begin))
    speed = rng.uniform(0.85, 1.15)
    positions = np.arange(begin, end, speed).astype(int)
    frames = recording.frames[positions].astype(np.float32)
    tail = min(int(rng.integers(0, 60)), len(recording.frames) - end)
    frames = np.concatenate([frames, recording.frames[end : end + tail].astype(np.float32)])
    if rng.random() < 0.5:
        frames = np.concatenate([before.frames(recording, rng), frames])
    frames += _colour(rng)
    if rng.random() < 0.5:
        loud = np.percentile(frames.max(axis=1), 95)
        noise = loud - rng.uniform(2.0, 9.0) + _colour(rng) + rng.gumbel(0, 0.6, frames.shape)
        frames = np.logaddexp(frames, noise.astype(np.float32))
    out = speech_input(frames)
    for _ in range(2):
        low, width = rng.integers(0, MEL_BINS - 6), rng.integers(0, 7)
        out[:, :, low : low + width] = -1.0
        at, length = rng.integers(0, WINDOW_FRAMES - 25), rng.integers(0, 25)
        out[:, at : at + length] = -1.0
    return out


def _colour(rng: np.random.Generator) -> NDArray[np.float32]:
    """A microphone's or a room's own tone: a smooth curve over the mel bins, nats."""
    knots = rng.normal(0, 0.5, 5)
    return np.interp(np.linspace(0, 4, MEL_BINS), np.arange(5), knots).astype(np.float32)

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
    """Windows that end somewhere in or shortly after the sentence."""

    def make_inputs(numbers: NDArray[np.int64], rng: np.random.Generator | None) -> NDArray[np.float32]:
        if rng is None:
            return np.stack([window(recordings[i], recordings[i].end) for i in numbers])
        return np.stack([_disturbed_window(recordings[i], rng) for i in numbers])

    return Examples(make_inputs, speech_labels(recordings), np.ones(len(recordings), np.float32))


def window(recording: Recording, end: int) -> NDArray[np.float32]:
    """What the encoder would be given at frame `end` of the recording, float32 (1, 300, 48)."""
    begin = max(recording.begin, end - WINDOW_FRAMES)
    return speech_input(recording.frames[begin:end].astype(np.float32))


def step_ends(recording: Recording, hop_s: float) -> list[int]:
    """The frames at which a step every `hop_s` falls while this sentence is spoken; at least one."""
    hop = round(hop_s / FRAME_HOP_S)
    ends = list(range(recording.begin + hop, recording.end, hop))
    return [*ends, recording.end]


def _disturbed_window(recording: Recording, rng: np.random.Generator) -> NDArray[np.float32]:
    begin, end = recording.begin, recording.end
    if rng.random() < 0.4:  # a step falls in the middle of the sentence, too
        end = begin + int(rng.uniform(min(80, end - begin), end - begin))
    speed = rng.uniform(0.85, 1.15)
    positions = np.arange(begin, end, speed).astype(int)
    frames = recording.frames[positions].astype(np.float32)
    tail = min(int(rng.integers(0, 60)), len(recording.frames) - end)
    frames = np.concatenate([frames, recording.frames[end : end + tail].astype(np.float32)])
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

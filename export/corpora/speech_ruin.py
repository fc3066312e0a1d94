"""What nobody can hear an emotion in, on log-mel frames: encoders learn from these what ruined speech looks like."""

import cv2
import numpy as np
from numpy.typing import NDArray

from edge.perceive.log_mel import MEL_BINS, speech_input
from export.corpora.recordings import Recording
from export.corpora.speech_examples import Before, heard
from export.corpora.speech_noise import Frames, colour, steady_noise
from export.nets.damage_training import DamageExamples

_SILENCE = -15.9
"""Kaldi's log of nothing."""
_TALK_ON = 0.7
"""Part of the windows that are full of speech: else who talks on looks like noise, which never pauses."""
_STRANGE_RUINED = 0.5
"""Part of the ruined voices that are strange besides: else what makes a voice strange would count as sound."""


def speech_damage_examples(recordings: list[Recording]) -> DamageExamples:
    """Sound: voices, rooms and microphones that no corpus has, a synthetic voice's buzz among them."""
    before = Before(recordings)

    def talk(number: int, rng: np.random.Generator) -> Frames:
        frames = heard(recordings[number], before, rng, _TALK_ON)
        if rng.random() < _TALK_ON:
            frames = np.concatenate([before.frames(recordings[number], rng), frames])
        return frames

    def sound(numbers: NDArray[np.int64], rng: np.random.Generator) -> NDArray[np.float32]:
        return np.stack([speech_input(strange(talk(i, rng), rng)) for i in numbers])

    def spoilt(numbers: NDArray[np.int64], rng: np.random.Generator) -> NDArray[np.float32]:
        made = []
        for i in numbers:
            frames = talk(i, rng)
            if rng.random() < _STRANGE_RUINED:
                frames = strange(frames, rng)
            crowd = [recordings[k].frames.astype(np.float32) for k in rng.integers(len(recordings), size=5)]
            made.append(speech_input(ruined(frames, crowd, rng)))
        return np.stack(made)

    return DamageExamples(sound, spoilt, len(recordings))


def strange(frames: Frames, rng: np.random.Generator) -> Frames:
    """Sound speech by a voice, in a room, through a microphone unlike a corpus's; float32 (n, MEL_BINS) in and out.

    A throat far longer or shorter, faster or slower speech, a telephone's or a cheap loudspeaker's tone, flatter or
    steeper loudness, a synthetic voice's sudden sounds or bare tones, a noise gate, no pauses, an echo, a buzz that
    follows the voice, moderate noise.
    """
    at = np.clip(np.arange(MEL_BINS) * rng.uniform(0.8, 1.25) + rng.uniform(-3, 3), 0, MEL_BINS - 1)
    low = np.floor(at).astype(int)
    share = (at - low).astype(np.float32)
    out = frames[:, low] * (1 - share) + frames[:, np.minimum(low + 1, MEL_BINS - 1)] * share
    out = out[np.arange(0, len(out) - 1, rng.uniform(0.7, 1.4)).astype(int)]
    out = out + (rng.uniform(0.5, 3.0) * colour(rng)).astype(np.float32)
    level = out.max(axis=1, keepdims=True)
    out = out + (level.max() - level) * np.float32(rng.uniform(-0.3, 0.35))
    if rng.random() < 0.4:
        width = int(rng.integers(3, 9))
        mean = cv2.blur(out, (1, width) if rng.random() < 0.6 else (width, 1))
        out = out + np.float32(rng.uniform(0.2, 1.2)) * (out - mean)
    peaks = out.max(axis=1)
    quiet = peaks < np.percentile(peaks, 95) - rng.uniform(2.0, 6.0)
    kind = rng.random()
    if kind < 0.3:
        out = np.where(quiet[:, None], np.float32(_SILENCE), out)
    elif kind < 0.6:
        out = out[~quiet]
    if rng.random() < 0.4:
        decay_nats = rng.uniform(0.15, 0.6)  # a frame: 0.9 s to 0.2 s of reverberation, from the loudest on
        for n in range(1, len(out)):
            out[n] = np.logaddexp(out[n], out[n - 1] - decay_nats)
    if rng.random() < 0.4:
        flat = out.max(axis=1, keepdims=True) - rng.uniform(1.5, 4.0) + rng.gumbel(0, 0.4, out.shape)
        out = np.logaddexp(out, flat)
    if rng.random() < 0.4:
        out = steady_noise(np.asarray(out, np.float32), rng.uniform(2.5, 9.0), rng)
    return np.asarray(out, np.float32)


def ruined(frames: Frames, others: list[Frames], rng: np.random.Generator) -> Frames:
    """Drowned in noise or in a crowd, clipped, with gaps, or nothing at all; float32 (n, MEL_BINS) in and out.

    Args:
        others: log-mel frames of other people, for the crowd.
    """
    kind = rng.integers(5)
    if kind == 0:
        return steady_noise(frames, rng.uniform(-3.0, 1.0), rng)
    if kind == 1:
        loud = np.percentile(frames.max(axis=1), 95)
        crowd = np.full(frames.shape, _SILENCE, np.float32)
        for voice in others:
            starts = rng.integers(len(voice))
            part = np.take(voice, np.arange(starts, starts + len(frames)), axis=0, mode="wrap")
            crowd = np.asarray(np.logaddexp(crowd, part - np.percentile(part.max(axis=1), 95)), np.float32)
        return np.asarray(np.logaddexp(frames, crowd + loud + rng.uniform(0.0, 3.0)), np.float32)
    if kind == 2:  # what is cut off at full scale comes back as a flat spectrum that follows the loudness
        level = frames.max(axis=1, keepdims=True)
        squeezed = frames + (level.max() - level) * np.float32(rng.uniform(0.4, 0.9))
        flat = squeezed.max(axis=1, keepdims=True) - rng.uniform(0.5, 2.5) + rng.gumbel(0, 0.4, frames.shape)
        return np.asarray(np.logaddexp(squeezed, flat), np.float32)
    if kind == 3:
        length = rng.integers(3, 12)
        lost = np.repeat(rng.random(len(frames) // length + 1) < rng.uniform(0.4, 0.8), length)[: len(frames)]
        return np.where(lost[:, None], np.float32(_SILENCE), frames)
    silent = np.full_like(frames, _SILENCE)
    return silent if rng.random() < 0.5 else silent + rng.gumbel(0, 0.6, frames.shape).astype(np.float32)

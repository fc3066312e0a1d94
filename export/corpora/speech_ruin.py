"""What nobody can hear an emotion in, on log-mel frames: encoders learn from these what ruined speech looks like."""

import numpy as np
from numpy.typing import NDArray

from edge.perceive.log_mel import MEL_BINS

Frames = NDArray[np.float32]

_SILENCE = -15.9
"""Kaldi's log of nothing."""


def colour(rng: np.random.Generator) -> Frames:
    """A microphone's or a room's own tone: a smooth curve over the mel bins, nats."""
    knots = rng.normal(0, 0.5, 5)
    return np.asarray(np.interp(np.linspace(0, 4, MEL_BINS), np.arange(5), knots), np.float32)


def steady_noise(frames: Frames, below_nats: float, rng: np.random.Generator) -> Frames:
    """With a coloured noise, its usual level this far below the loud frames' peaks."""
    loud = np.percentile(frames.max(axis=1), 95)
    noise = loud - below_nats + 1.5 * colour(rng) + rng.gumbel(0, 0.6, frames.shape)
    return np.asarray(np.logaddexp(frames, noise), np.float32)


def strange(frames: Frames, rng: np.random.Generator) -> Frames:
    """Sound speech by a voice, in a room, through a microphone unlike a corpus's; float32 (n, MEL_BINS) in and out.

    A throat far longer or shorter, faster or slower speech, a telephone's or a cheap loudspeaker's tone, an echo,
    flatter or steeper loudness, a buzz that follows the voice, moderate noise.
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

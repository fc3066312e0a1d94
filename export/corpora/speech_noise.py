"""Everyday noise on log-mel frames: a microphone's own tone, and a steady noise."""

import numpy as np
from numpy.typing import NDArray

from edge.perceive.log_mel import MEL_BINS

Frames = NDArray[np.float32]


def colour(rng: np.random.Generator) -> Frames:
    """A microphone's or a room's own tone: a smooth curve over the mel bins, nats."""
    knots = rng.normal(0, 0.5, 5)
    return np.asarray(np.interp(np.linspace(0, 4, MEL_BINS), np.arange(5), knots), np.float32)


def steady_noise(frames: Frames, below_nats: float, rng: np.random.Generator) -> Frames:
    """With a coloured noise, its usual level this far below the loud frames' peaks."""
    loud = np.percentile(frames.max(axis=1), 95)
    noise = loud - below_nats + 1.5 * colour(rng) + rng.gumbel(0, 0.6, frames.shape)
    return np.asarray(np.logaddexp(frames, noise), np.float32)

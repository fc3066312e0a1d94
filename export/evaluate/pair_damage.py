"""What can go wrong with a modality of pairs that come as features."""

from collections.abc import Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from export.evaluate.pair_folds import Fold, Rows, in_order

Array = NDArray[np.float32]

Damage = Literal["noise", "stranger", "stale"]
"""``noise``: drowned in Gaussian noise at SNR 0.01. ``stranger``: another person's features, which are good in
themselves. ``stale``: what was true three samples before."""
DAMAGES: tuple[Damage, ...] = ("noise", "stranger", "stale")

SNR = 0.01
STALE_SAMPLES = 3


def damaged(fold: Fold, modality: int, rows: Rows, damage: Damage, seed: int) -> Array:
    """All the corpus's features of a modality (n, size), with those of `rows`' people damaged throughout."""
    rng = np.random.default_rng([seed, modality])
    clean = fold.features[modality]
    if damage == "noise":
        return with_noise(clean, np.isin(np.arange(len(clean)), rows), rng)
    out: Array = clean.copy()
    order = in_order(fold, rows, in_context=True)
    videos = [row[row >= 0] for row in order]
    for number, video in enumerate(videos):
        steps = np.arange(len(video))
        if damage == "stale":
            source = video[np.maximum(steps - STALE_SAMPLES, 0)]
        else:  # from anywhere in the other's sequence: in RAVDESS all people act the same emotions in the same order
            other = videos[(number + int(rng.integers(1, len(videos)))) % len(videos)]
            source = other[(steps + rng.integers(len(other))) % len(other)]
        out[video] = clean[source]
    return out


def with_noise(features: Array, ruined: NDArray[np.bool_], rng: np.random.Generator) -> Array:
    """Gaussian noise of 1 / SNR times the features' mean power on the ruined ones of (n, size)."""
    power = float(np.square(features).mean())
    noisy: Array = features.copy()
    noise = rng.normal(0.0, np.sqrt(power / SNR), features.shape).astype(np.float32)
    noisy[ruined] += noise[ruined]
    return noisy


def draw_ruined(count: int, modalities: int, share: float, rng: np.random.Generator) -> NDArray[np.bool_]:
    """Which modalities of `count` sequences are ruined, (count, M): at least one in `share` of them, never all.

    Exactly that share is hit. One modality is ruined, or, where there are three, two in every third of the hit.
    """
    hit = rng.permutation(count) < round(share * count)
    rank = rng.random((count, modalities)).argsort(axis=1).argsort(axis=1)
    how_many = np.where((modalities > 2) & (rng.random(count) < 1 / 3), 2, 1)
    ruined: NDArray[np.bool_] = hit[:, None] & (rank < how_many[:, None])
    return ruined


def patterns(modalities: int) -> list[tuple[int, ...]]:
    """Every set of modalities that may be left: not empty, all of them first."""
    sets = [tuple(m for m in range(modalities) if kept >> m & 1) for kept in range(1, 2**modalities)]
    return sorted(sets, key=lambda kept: (-len(kept), kept))


def pattern_name(names: Sequence[str], kept: Sequence[int]) -> str:
    """What is missing, in words."""
    missing = [name for m, name in enumerate(names) if m not in kept]
    return "no " + ", no ".join(missing) if missing else "all there"

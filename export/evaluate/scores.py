"""Scores of classifiers, and of the whole step as the device runs it."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from edge.m3er.check import ModalityCheck
from edge.m3er.fusion import FusionStep
from edge.m3er.proxy import ProxyTable
from edge.reading import MODALITIES, Modality

Array = NDArray[np.float32]


def calibration_error(probabilities: Array, truth: NDArray[np.int64], bins: int = 10) -> float:
    """Expected calibration error of the most probable class, equal-width bins (Guo et al. 2017)."""
    confidence, right = probabilities.max(axis=1), probabilities.argmax(axis=1) == truth
    number = np.minimum((confidence * bins).astype(int), bins - 1)
    return float(
        sum(
            abs(confidence[number == b].mean() - right[number == b].mean()) * (number == b).mean()
            for b in np.unique(number)
        )
    )


def run_moments(
    features: dict[Modality, Array],
    present: NDArray[np.bool_],
    check: ModalityCheck | None,
    proxies: ProxyTable,
    fusion: FusionStep,
    classes: int,
) -> tuple[Array, float]:
    """Run moments through check, proxies and fusion step as the device does.

    Args:
        features: standardised, per modality (n, steps, dim).
        present: (n, steps, 3).
        check: None trusts everything present.
        classes: how many emotions the fusion knows.

    Returns:
        Probabilities at the last step (n, classes), uniform where nothing was ever effectual; and the share of
        (step, present modality) that the check dropped.
    """
    rows, dropped, total = [], 0, 0
    n, steps, _ = present.shape
    for clip in range(n):
        fusion.reset()
        if check is not None:
            check.reset()
        latest: Array | None = None
        for step in range(steps):
            given = {m: features[m][clip, step] for k, m in enumerate(MODALITIES) if present[clip, step, k]}
            trusted = set(given)
            if check is not None:
                trusted = set(check.step(given, dict.fromkeys(given, 1.0)).effectual)
                dropped += len(given) - len(trusted)
                total += len(given)
            if not trusted:
                continue
            good = {m: given[m] for m in trusted}
            whole = {m: good[m] if m in good else proxies.regenerate(m, good) for m in MODALITIES}
            latest = fusion.step(whole, len(good)).probabilities
        rows.append(latest)
    uniform = np.full(classes, 1.0 / classes, np.float32)
    return np.stack([uniform if row is None else row for row in rows]), dropped / max(total, 1)


def without(present: NDArray[np.bool_], missing: Sequence[Modality]) -> NDArray[np.bool_]:
    """The same moments with some modalities never there."""
    gone: NDArray[np.bool_] = present.copy()
    for m in missing:
        gone[:, :, MODALITIES.index(m)] = False
    return gone


def fit_temperature(logits: Array, truth: NDArray[np.int64]) -> float:
    """The temperature with the least cross-entropy against the majority's emotion, on validation.

    A reading's confidence is then the probability that most people would say the same.
    """
    candidates = np.geomspace(0.3, 4.0, 80)

    def loss(temperature: float) -> float:
        z = logits / temperature
        z = z - z.max(axis=1, keepdims=True)
        log_p = z - np.log(np.exp(z).sum(axis=1, keepdims=True))
        return float(-log_p[np.arange(len(truth)), truth].mean())

    return float(min(candidates, key=loss))

"""The thresholds of the modality check."""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from edge.m3er.check import ModalityCheck, vouched
from edge.m3er.tables import Tables
from edge.reading import MODALITIES, PAIRS, Modality, pair_name

Array = NDArray[np.float32]


def set_thresholds(
    tables: Tables,
    features: dict[Modality, Array],
    present: NDArray[np.bool_],
    window_steps: int,
    lost_at_most: float,
) -> Tables:
    """The highest thresholds with which at most `lost_at_most` of clean samples lose a modality to the check.

    One quantile of each pair's clean correlations is searched, the same for all pairs, by running the very check
    of the device over clean moments: with all three modalities, and with each pair alone. On a robot a pair often
    stands alone (nobody is in view, nobody speaks), and then one failed correlation costs both.

    Args:
        tables: everything but the thresholds is used as it is.
        features: standardised, per modality (n, steps, dim), clean, of people not trained on.
        present: (n, steps, 3).
        window_steps: as on the device.
        lost_at_most: share of (sample, modality) that may be dropped although it is good.
    """
    rows = []
    for clip, seen in zip(zip(*(features[m] for m in MODALITIES), strict=True), present, strict=True):
        check = ModalityCheck(replace(tables, threshold={pair_name(*pair): -2.0 for pair in PAIRS}), window_steps, 0.0)
        for step, here in enumerate(seen):
            given = {m: clip[n][step] for n, m in enumerate(MODALITIES) if here[n]}
            verdict = check.step(given, dict.fromkeys(given, 1.0))
            rows.append((verdict, set(given)))

    def lost(tau: dict[str, float]) -> float:
        dropped = total = 0
        for among in (set(MODALITIES), *map(set, PAIRS)):
            for verdict, given in rows:
                there = given & among
                inside = {m for m in there if verdict.density[m] <= 1.0 and verdict.damage[m] <= 0.0}
                kept = inside if len(inside) == 1 else vouched(inside, verdict.correlation, tau)
                dropped += len(there - kept)
                total += len(there)
        return dropped / total

    clean = {
        pair_name(*pair): np.array(
            [v.correlation[pair_name(*pair)] for v, _ in rows if pair_name(*pair) in v.correlation]
        )
        for pair in PAIRS
    }
    low, high = 0.0, 0.5
    for _ in range(12):
        middle = (low + high) / 2
        if lost({name: float(np.quantile(values, middle)) for name, values in clean.items()}) <= lost_at_most:
            low = middle
        else:
            high = middle
    return replace(tables, threshold={name: float(np.quantile(values, low)) for name, values in clean.items()})

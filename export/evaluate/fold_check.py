"""The modality check of one fold: fitted on its people, its limits set on others, run on all samples at once."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from export.evaluate.pair_damage import damaged
from export.evaluate.pair_folds import Fold, Rows, in_order
from export.fit.cloud import whitening
from export.fit.pair_check import (
    Bools,
    Canonical,
    Doubles,
    Pair,
    Score,
    agreement_thresholds,
    densities,
    density_limits,
    effectual,
    fit_canonical,
    pair_score,
)

Array = NDArray[np.float32]
Rule = Literal["correlation", "density", "both"]

DIMENSIONS = (2, 5, 10, 20)
SHRINKAGES = (0.1, 0.5)
CLEAN_LOST_AT_MOST = 0.05
"""Share of clean samples that may lose a modality."""


def chosen_canonical(fold: Fold, pair: Pair, score: Score, window: int, seed: int) -> Canonical:
    """Shrinkage and number of canonical dimensions with the largest ROC area on the fold's `chosen` people.

    Of good samples against noise and against strangers, in either modality.
    """
    i, j = pair
    order = in_order(fold, fold.chosen, in_context=True)
    ruined = [(damaged(fold, i, fold.chosen, damage, seed), fold.features[j]) for damage in ("noise", "stranger")] + [
        (fold.features[i], damaged(fold, j, fold.chosen, damage, seed)) for damage in ("noise", "stranger")
    ]
    best: tuple[float, Canonical] | None = None
    most = min(max(DIMENSIONS), fold.features[i].shape[1], fold.features[j].shape[1])
    for shrinkage in SHRINKAGES:
        whole = fit_canonical(
            (fold.features[i][fold.fitted], fold.features[j][fold.fitted]),
            (fold.features[i][fold.chosen], fold.features[j][fold.chosen]),
            most,
            shrinkage,
        )
        for dimensions in (d for d in DIMENSIONS if d <= most):
            canonical = whole.cut(dimensions)
            good = pair_score(canonical, fold.features[i], fold.features[j], score, order, window)[fold.chosen]
            area = np.mean(
                [roc_area(good, pair_score(canonical, a, b, score, order, window)[fold.chosen]) for a, b in ruined]
            )
            if best is None or area > best[0]:
                best = float(area), canonical
    if best is None:
        raise ValueError("no number of canonical dimensions fits features this short")
    return best[1]


def roc_area(good: Doubles, bad: Doubles) -> float:
    """Chance that a good sample scores higher than a bad one; a tie counts half."""
    ranked = np.sort(bad)
    lower, not_higher = (np.searchsorted(ranked, good, side) for side in ("left", "right"))
    return float((lower + not_higher).mean() / (2 * len(bad)))


@dataclass(frozen=True)
class FoldCheck:
    """Says which modalities of each sample may be trusted.

    Attributes:
        whiten, limit: per modality; empty: density does not count.
        canonical, threshold: per pair; empty: correlation does not count.
        score, window: what agreement is measured by, over how many samples.
        one_suffices: see :func:`export.fit.pair_check.effectual`.
    """

    whiten: list[Array]
    limit: list[float]
    canonical: dict[Pair, Canonical]
    threshold: dict[Pair, float]
    score: Score
    window: int
    one_suffices: bool

    def inside(self, features: Sequence[Array]) -> Bools:
        """(n, M)"""
        if not self.whiten:
            return np.ones((len(features[0]), len(features)), np.bool_)
        given = zip(self.whiten, features, self.limit, strict=True)
        return np.stack([densities(whiten, f, limit) <= 1.0 for whiten, f, limit in given], axis=1)

    def scores(self, features: Sequence[Array], order: Rows) -> dict[Pair, Doubles]:
        """Agreement of each pair, (n,)."""
        return {
            (i, j): pair_score(canonical, features[i], features[j], self.score, order, self.window)
            for (i, j), canonical in self.canonical.items()
        }

    def trusted(self, features: Sequence[Array], order: Rows) -> Bools:
        """(n, M). `order`: which samples follow each other; see :func:`export.fit.pair_check.accumulated`."""
        scores = self.scores(features, order)
        agree = {pair: s >= self.threshold[pair] for pair, s in scores.items()}
        return effectual(self.inside(features), agree, self.one_suffices)


def fit_check(fold: Fold, rule: Rule, score: Score, window: int, one_suffices: bool, seed: int) -> FoldCheck:
    """Fitted on `fitted`; limits on `chosen`, such that at most CLEAN_LOST_AT_MOST of its samples lose a modality.

    With both kinds of evidence, density may cost half of that, and agreement the rest.
    """
    order = in_order(fold, fold.chosen, in_context=True)
    whiten = [whitening(f[fold.fitted]) for f in fold.features] if rule != "correlation" else []
    limit: list[float] = []
    if whiten:
        clean = [densities(w, f[fold.chosen], 1.0) for w, f in zip(whiten, fold.features, strict=True)]
        limit = density_limits(clean, fold.person[fold.chosen], CLEAN_LOST_AT_MOST * (0.5 if rule == "both" else 1.0))
    pairs = list(combinations(range(len(fold.features)), 2)) if rule != "density" else []
    canonical = {pair: chosen_canonical(fold, pair, score, window, seed) for pair in pairs}
    check = FoldCheck(whiten, limit, canonical, {}, score, window, one_suffices)
    if not pairs:
        return check
    scores = {pair: s[fold.chosen] for pair, s in check.scores(fold.features, order).items()}
    inside = check.inside(fold.features)[fold.chosen]
    threshold = agreement_thresholds(scores, inside, fold.person[fold.chosen], CLEAN_LOST_AT_MOST, one_suffices)
    return FoldCheck(whiten, limit, canonical, threshold, score, window, one_suffices)

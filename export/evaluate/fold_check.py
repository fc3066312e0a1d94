"""The modality check of one fold: fitted on its people, its limits set on others, run on all samples at once."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from export.evaluate.pair_damage import Damage, damaged
from export.evaluate.pair_folds import Fold, Rows, in_order
from export.fit.cloud import whitening
from export.fit.pair_check import (
    Bools,
    Canonical,
    Doubles,
    Limits,
    Pair,
    Score,
    Seen,
    agreement_thresholds,
    best_limits,
    densities,
    density_limits,
    fit_canonical,
    pair_score,
    share_losing,
)

Array = NDArray[np.float32]
Rule = Literal["correlation", "density", "both"]

DIMENSIONS = (2, 5, 10, 20)
SHRINKAGES = (0.1, 0.5)
CLEAN_LOST_AT_MOST = 0.05
"""Share of clean samples that may lose a modality."""
_FOUND_ON: tuple[Damage, ...] = ("noise", "stranger")


def chosen_canonical(fold: Fold, pair: Pair, score: Score, window: int, seed: int) -> Canonical:
    """Shrinkage and number of canonical dimensions with the largest ROC area on the fold's `chosen` people.

    Of good samples against noise and against strangers, in either modality.
    """
    i, j = pair
    order = in_order(fold, fold.chosen, in_context=True)
    ruined = [(damaged(fold, i, fold.chosen, damage, seed), fold.features[j]) for damage in _FOUND_ON] + [
        (fold.features[i], damaged(fold, j, fold.chosen, damage, seed)) for damage in _FOUND_ON
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
        whiten: per modality; empty: density does not count.
        canonical: per pair; empty: correlation does not count.
        score, window: what agreement is measured by, over how many samples.
        limits: where the lines are drawn.
    """

    whiten: list[Array]
    canonical: dict[Pair, Canonical]
    score: Score
    window: int
    limits: Limits

    def inside(self, features: Sequence[Array]) -> Bools:
        """(n, M)"""
        return self.limits.inside(self._density(features), len(features[0]))

    def seen(self, features: Sequence[Array], order: Rows) -> Seen:
        """All evidence. `order`: which samples follow each other; see :func:`export.fit.pair_check.accumulated`."""
        agreement = {
            (i, j): pair_score(canonical, features[i], features[j], self.score, order, self.window)
            for (i, j), canonical in self.canonical.items()
        }
        return Seen(self._density(features), agreement)

    def trusted(self, features: Sequence[Array], order: Rows) -> Bools:
        """(n, M)"""
        return self.limits.trusted(self.seen(features, order), len(features[0]))

    def _density(self, features: Sequence[Array]) -> Doubles | None:
        if not self.whiten:
            return None
        return np.stack([densities(w, f, 1.0) for w, f in zip(self.whiten, features, strict=True)], axis=1)


def fit_check(fold: Fold, rule: Rule, score: Score, window: int, one_suffices: bool, seed: int) -> FoldCheck:
    """Fitted on `fitted`; limits on `chosen`, by its ROC, see :func:`export.fit.pair_check.best_limits`.

    At most CLEAN_LOST_AT_MOST of clean samples lose a modality; with both kinds of evidence, at most half of that to
    density. Ruined are noise and strangers, in each modality.
    """
    rows, count = fold.chosen, len(fold.features)
    whiten = [whitening(f[fold.fitted]) for f in fold.features] if rule != "correlation" else []
    pairs = list(combinations(range(count), 2)) if rule != "density" else []
    canonical = {pair: chosen_canonical(fold, pair, score, window, seed) for pair in pairs}
    open_limits = Limits((np.inf,) * count, dict.fromkeys(pairs, -np.inf), one_suffices)
    check = FoldCheck(whiten, canonical, score, window, open_limits)
    order = in_order(fold, rows, in_context=True)

    def seen(features: Sequence[Array]) -> Seen:
        whole = check.seen(features, order)
        agreement = {pair: values[rows] for pair, values in whole.agreement.items()}
        return Seen(None if whole.density is None else whole.density[rows], agreement)

    clean = seen(fold.features)
    ruined: list[tuple[int, Seen]] = []
    for m in range(count):
        for damage in _FOUND_ON:
            features = list(fold.features)
            features[m] = damaged(fold, m, rows, damage, seed)
            ruined.append((m, seen(features)))

    limits, person = check.limits, fold.person[rows]

    def lost(tried: Limits) -> float:
        return share_losing(tried.trusted(clean, len(rows)), person)

    if clean.density is not None:
        allowed = CLEAN_LOST_AT_MOST * (0.5 if rule == "both" else 1.0)
        densest = density_limits(clean.density, allowed, lambda d: lost(replace(open_limits, density=d)))
        limits = best_limits([replace(open_limits, density=d) for d in densest], clean, ruined, len(rows))
    if pairs:
        within = limits
        lowest = agreement_thresholds(clean.agreement, CLEAN_LOST_AT_MOST, lambda a: lost(replace(within, agreement=a)))
        limits = best_limits([replace(within, agreement=a) for a in lowest], clean, ruined, len(rows))
    return replace(check, limits=limits)

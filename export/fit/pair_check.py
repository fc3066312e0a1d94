"""The modality check for many samples at once, on features that have a size of their own for each modality.

The arithmetic of :mod:`edge.m3er.check`, and scores that the device does not have (yet), to compare them.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Literal

import numpy as np
from cca_zoo.linear import RidgeCCA
from numpy.typing import NDArray

Array = NDArray[np.float32]
Doubles = NDArray[np.float64]
Bools = NDArray[np.bool_]
Pair = tuple[int, int]

Score = Literal["Pearson", "weighted Pearson", "likelihood ratio"]
"""``Pearson``: of a sample's two canonical vectors, the paper's. ``weighted Pearson``: each canonical dimension scaled
by the root of its canonical correlation. ``likelihood ratio``: see :func:`log_likelihood_ratio`."""


@dataclass(frozen=True)
class Canonical:
    """The space that a pair of modalities shares.

    Attributes:
        first, second: H_ij (r, size of i) and H_ji (r, size of j).
        offset, spread: (2, r): mean and standard deviation of both modalities' canonical variates.
        correlation: (r,) canonical correlations, at least 0, on samples that H was not fitted on.
    """

    first: Array
    second: Array
    offset: Doubles
    spread: Doubles
    correlation: Doubles

    def cut(self, dimensions: int) -> "Canonical":
        """The first dimensions only."""
        r = dimensions
        return Canonical(self.first[:r], self.second[:r], self.offset[:, :r], self.spread[:, :r], self.correlation[:r])


def fit_canonical(
    fitted: tuple[Array, Array], held_out: tuple[Array, Array], dimensions: int, shrinkage: float
) -> Canonical:
    """Regularised CCA on `fitted`, two standardised (n, size); offset, spread and correlation on `held_out`.

    Canonical correlations of the samples that were fitted on are far too high where features are many.
    """
    model = RidgeCCA(n_components=dimensions, shrinkage=shrinkage).fit(list(fitted))
    first, second = (np.ascontiguousarray(weights.T, np.float32) for weights in model.weights_)
    u, v = (
        held_out[0].astype(np.float64) @ first.T,
        held_out[1].astype(np.float64) @ second.T,
    )
    offset = np.stack([u.mean(axis=0), v.mean(axis=0)])
    spread = np.maximum(np.stack([u.std(axis=0), v.std(axis=0)]), 1e-9)
    correlation = ((u - offset[0]) * (v - offset[1])).mean(axis=0) / spread.prod(axis=0)
    return Canonical(first, second, offset, spread, np.clip(correlation, 0.0, 0.99))


def pearson_rows(sums: Doubles) -> Doubles:
    """Pearson's correlation of each row of [n, Σu, Σv, Σu², Σv², Σuv]; 0 where one of the two is constant."""
    n, u, v, uu, vv, uv = np.moveaxis(sums, -1, 0)
    spread = (n * uu - u * u) * (n * vv - v * v)
    rho = np.where(spread > 0, (n * uv - u * v) / np.sqrt(np.where(spread > 0, spread, 1.0)), 0.0)
    clipped: Doubles = np.clip(rho, -1.0, 1.0)
    return clipped


def log_likelihood_ratio(u: Doubles, v: Doubles, correlation: Doubles) -> Doubles:
    """How much likelier u and v are as a pair of correlation c than as two strangers, (…, r) in nats.

    Both are Gaussian of unit variance: -½ log(1-c²) + [2c uv - c²(u²+v²)] / (2(1-c²)).
    """
    c2 = np.square(correlation)
    ratio: Doubles = -0.5 * np.log1p(-c2) + (2 * correlation * u * v - c2 * (u * u + v * v)) / (2 * (1 - c2))
    return ratio


def accumulated(values: Doubles, order: NDArray[np.int64], window: int) -> Doubles:
    """Sums over each sample's last `window` samples of its own sequence, itself included.

    Args:
        values: (n, …) of samples.
        order: (sequences, steps): numbers of samples in order of time, -1 where a sequence has ended.
        window: how many samples at most.

    Returns:
        Like `values`; what is in no sequence is 0.
    """
    out = np.zeros_like(values)
    for row in order:
        row = row[row >= 0]
        sums = np.concatenate([np.zeros((1, *values.shape[1:])), np.cumsum(values[row], axis=0)])
        upto = np.arange(1, len(row) + 1)
        out[row] = sums[upto] - sums[np.maximum(upto - window, 0)]
    return out


def pair_score(
    canonical: Canonical,
    first: Array,
    second: Array,
    score: Score,
    order: NDArray[np.int64] | None = None,
    window: int = 1,
) -> Doubles:
    """How well two modalities of each sample agree, (n,); higher is better.

    Args:
        canonical: of the pair.
        first, second: standardised (n, size).
        score: which evidence.
        order, window: see :func:`accumulated`; without them each sample stands for itself.
    """
    u, v = first.astype(np.float64) @ canonical.first.T, second.astype(np.float64) @ canonical.second.T
    if score == "likelihood ratio":
        u, v = (u - canonical.offset[0]) / canonical.spread[0], (v - canonical.offset[1]) / canonical.spread[1]
        values = log_likelihood_ratio(u, v, canonical.correlation).sum(axis=1)
        return values if order is None else accumulated(values, order, window)
    if score == "weighted Pearson":
        scale = np.sqrt(canonical.correlation)
        u, v = (
            (u - canonical.offset[0]) / canonical.spread[0] * scale,
            (v - canonical.offset[1]) / canonical.spread[1] * scale,
        )
    ones = np.full(len(u), u.shape[1], np.float64)
    sums = np.stack([ones, u.sum(1), v.sum(1), (u * u).sum(1), (v * v).sum(1), (u * v).sum(1)], axis=1)
    return pearson_rows(sums if order is None else accumulated(sums, order, window))


def densities(whiten: Array, features: Array, limit: float) -> Doubles:
    """Mean square of the whitened features (…, size) over the limit, (…): above 1 is outside the training cloud."""
    density: Doubles = np.square(features @ whiten.T).mean(axis=-1).astype(np.float64) / limit
    return density


def effectual(inside: Bools, agree: Mapping[Pair, Bools], one_suffices: bool = True) -> Bools:
    """Which modalities may be trusted, (n, M).

    A modality must be inside its cloud and agree with at least one other that is inside (or, without `one_suffices`,
    with every one that is). One that is inside all alone may be trusted: on the device its sensor decides then.

    Args:
        inside: (n, M).
        agree: for each pair i < j (n,); {}: correlation does not count.
        one_suffices: the paper's rule.
    """
    if not agree:
        untouched: Bools = inside.copy()
        return untouched
    count = inside.shape[1]
    partner = np.zeros((len(inside), count, count), np.bool_)
    agreed = np.zeros_like(partner)
    for i, j in combinations(range(count), 2):
        both = inside[:, i] & inside[:, j]
        for a, b in ((i, j), (j, i)):
            partner[:, a, b] = both
            agreed[:, a, b] = both & agree[i, j]
    vouched = agreed.any(axis=2) if one_suffices else (agreed == partner).all(axis=2) & partner.any(axis=2)
    alone = inside & (inside.sum(axis=1, keepdims=True) == 1)
    trusted: Bools = inside & (vouched | alone)
    return trusted


def losing_at_most(lost: Callable[[float], float], at_most: float) -> float:
    """The largest quantile in [0, 1) of which the share of clean samples that lose something is at most this."""
    low, high = 0.0, 1.0
    for _ in range(14):
        middle = (low + high) / 2
        low, high = (middle, high) if lost(middle) <= at_most else (low, middle)
    return low


def share_losing(trusted: Bools, person: NDArray[np.str_]) -> float:
    """Share of samples (n, M) that lose at least one modality, plus its standard error over people (n,), 1.64 times.

    People differ more than samples: a limit that just holds on a few of them does not hold on others.
    """
    _, number = np.unique(person, return_inverse=True)
    shares = np.bincount(number, weights=~trusted.all(axis=1)) / np.bincount(number)
    error = shares.std(ddof=1) / np.sqrt(len(shares)) if len(shares) > 1 else 0.0
    return float(shares.mean() + 1.64 * error)


@dataclass(frozen=True)
class Seen:
    """All evidence that a check has of n samples.

    Attributes:
        density: (n, M) with limit 1; None: density does not count.
        agreement: of each pair (n,); {}: correlation does not count.
    """

    density: Doubles | None
    agreement: Mapping[Pair, Doubles]


@dataclass(frozen=True)
class Limits:
    """Where a check draws its lines.

    Attributes:
        density: a limit a modality.
        agreement: a threshold a pair.
        one_suffices: see :func:`effectual`.
    """

    density: tuple[float, ...]
    agreement: Mapping[Pair, float]
    one_suffices: bool

    def inside(self, density: Doubles | None, samples: int) -> Bools:
        """Which modalities lie inside their clouds, (n, M)."""
        if density is None:
            return np.ones((samples, len(self.density)), np.bool_)
        within: Bools = density <= np.array(self.density)
        return within

    def trusted(self, seen: Seen, samples: int) -> Bools:
        """Which modalities are effectual, (n, M)."""
        agree = {pair: score >= self.agreement[pair] for pair, score in seen.agreement.items()}
        return effectual(self.inside(seen.density, samples), agree, self.one_suffices)


_STEPS = 12
_BEYOND = (16.0, 8.0, 4.0, 2.0)
"""Density limits so many times the largest clean density: where ruined features lie that far out, people who are merely
unlike those that limits were set on should not be lost."""


def density_limits(
    clean: Doubles, at_most: float, lost: Callable[[tuple[float, ...]], float]
) -> list[tuple[float, ...]]:
    """Candidates, from loose to strict; the strict end is where the share of clean samples lost reaches `at_most`.

    Args:
        clean: (n, M) densities with limit 1.
        lost: share of clean samples that lose a modality with these limits.
    """

    def limits(quantile: float) -> tuple[float, ...]:
        return tuple(np.quantile(clean, 1.0 - quantile, axis=0).tolist())

    largest = np.array(limits(0.0))
    most = losing_at_most(lambda q: lost(limits(q)), at_most)
    return [*(tuple((k * largest).tolist()) for k in _BEYOND), *(limits(q) for q in np.linspace(0.0, most, _STEPS))]


def agreement_thresholds(
    clean: Mapping[Pair, Doubles], at_most: float, lost: Callable[[dict[Pair, float]], float]
) -> list[dict[Pair, float]]:
    """The same for agreement: thresholds of each pair, one quantile of clean scores for all."""

    def thresholds(quantile: float) -> dict[Pair, float]:
        return {pair: float(np.quantile(scores, quantile)) for pair, scores in clean.items()}

    most = losing_at_most(lambda q: lost(thresholds(q)), at_most)
    return [thresholds(q) for q in np.linspace(0.0, most, _STEPS)]


def best_limits(candidates: Sequence[Limits], clean: Seen, ruined: Sequence[tuple[int, Seen]], samples: int) -> Limits:
    """The limits with the largest Youden's J; the middle of those that are equally good.

    J (Youden, Cancer 1950) is here the mean share of ruined modalities that are found, less the share of clean samples
    that lose any.

    Args:
        candidates: from loose to strict.
        clean: samples as they are; `ruined`: the same with one modality ruined in all of them, and its number.
    """

    def youden(limits: Limits) -> float:
        found = np.mean([(~limits.trusted(seen, samples)[:, m]).mean() for m, seen in ruined])
        return float(found - (~limits.trusted(clean, samples).all(axis=1)).mean())

    values = np.array([youden(limits) for limits in candidates])
    best = np.flatnonzero(values >= values.max() - 1e-9)
    return candidates[int(best[(len(best) - 1) // 2])]

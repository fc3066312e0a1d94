"""The modality check: which of the present modalities can be trusted at this step.

Correlation is the paper's evidence (M3ER, AAAI 2020, section 3.2); density and damage are ours. All are precomputed.
"""

import math
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from edge.m3er.tables import Tables
from edge.reading import MODALITIES, PAIRS, Modality, pair_name

Rule = Literal["full", "correlation"]
"""``full``: correlation, density and damage. ``correlation``: the paper's rule alone."""

Evidence = Literal["correlation", "single", "none"]


@dataclass(frozen=True)
class Verdict:
    """What the check found at one step.

    Attributes:
        effectual: the modalities to trust.
        reason: for each present modality that is not: ``damaged``, ``out of distribution``, ``uncorrelated`` or
            ``low quality``.
        correlation: rho per pair of present modalities, e.g. ``face-speech``.
        density: per present modality, distance from the training cloud over its limit; above 1 is outside.
        damage: per present modality, how much its feature looks like damage; above 0 is damaged.
        evidence: what this rests on: pairs, a modality alone, or nothing present.
    """

    effectual: frozenset[Modality]
    reason: dict[Modality, str]
    correlation: dict[str, float]
    density: dict[Modality, float]
    damage: dict[Modality, float]
    evidence: Evidence


def density(tables: Tables, modality: Modality, feature: NDArray[np.float32]) -> float:
    """Mean square of the whitened feature (dim,) over the bundle's limit; 1 is the edge of the cloud."""
    whitened = tables.whiten[modality] @ feature
    return float(whitened @ whitened) / (len(whitened) * tables.density_limit[modality])


def damage(tables: Tables, modality: Modality, feature: NDArray[np.float32]) -> float:
    """What the bundle's linear detector of ruined inputs says to the feature (dim,); above 0 is damaged."""
    weights = tables.damage[modality]
    return float(weights[:-1] @ feature + weights[-1])


def vouched(inside: Set[Modality], correlation: Mapping[str, float], threshold: Mapping[str, float]) -> set[Modality]:
    """Those of `inside` that correlate with at least one other of them: rho_ij >= tau_ij."""
    return {
        m
        for i, j in PAIRS
        if i in inside and j in inside and correlation[pair_name(i, j)] >= threshold[pair_name(i, j)]
        for m in (i, j)
    }


class ModalityCheck:
    """Says at every step which modalities are effectual. Keeps the last `window_steps` steps' sums, no more."""

    def __init__(self, tables: Tables, window_steps: int, minimum_quality: float, rule: Rule = "full") -> None:
        """
        Args:
            tables: from the bundle.
            window_steps: rho is accumulated over so many of the last steps.
            minimum_quality: a modality that stands alone must have at least this sensor quality (0..1).
            rule: which evidence counts.
        """
        self._tables = tables
        self._minimum_quality = minimum_quality
        self._rule = rule
        # All that is linear in a modality's feature, in one product: whitened, damage, its side of each pair.
        self._linear: dict[Modality, NDArray[np.float32]] = {}
        self._side: dict[tuple[Modality, Modality], slice] = {}
        for m in MODALITIES:
            parts = [tables.whiten[m], tables.damage[m][None, :-1]]
            for j in MODALITIES:
                if j != m:
                    begin = sum(map(len, parts))
                    self._side[m, j] = slice(begin, begin + len(tables.projection[m, j]))
                    parts.append(tables.projection[m, j])
            self._linear[m] = np.concatenate(parts)
        # Per pair u, v and, where it has a canonical dimension, 1: the products of these rows are all of Pearson's
        # sums. In float64: the sums of squares of a short vector cancel.
        sizes = [len(tables.projection[pair]) for pair in PAIRS]
        self._canonical = np.zeros((len(PAIRS), 3, max(sizes)))
        for rows, size in zip(self._canonical, sizes, strict=True):
            rows[2, :size] = 1.0
        self._sums = np.zeros((window_steps, len(PAIRS), 3, 3))
        self._oldest = 0

    def reset(self) -> None:
        """Forget the steps so far."""
        self._sums[:] = 0.0

    def step(self, features: Mapping[Modality, NDArray[np.float32]], quality: Mapping[Modality, float]) -> Verdict:
        """Check the modalities present at this step.

        Args:
            features: standardised feature (dim,) of each present modality.
            quality: 0..1, the sensor's own opinion of each present modality.
        """
        tables = self._tables
        dim = tables.dim
        linear = {m: self._linear[m] @ features[m] for m in MODALITIES if m in features}
        distance = {m: float(x[:dim] @ x[:dim]) / (dim * tables.density_limit[m]) for m, x in linear.items()}
        ruin = {m: float(x[dim]) + float(tables.damage[m][-1]) for m, x in linear.items()}
        reason: dict[Modality, str] = {}
        if self._rule == "full":
            reason |= {m: "out of distribution" for m, d in distance.items() if d > 1.0}
            reason |= {m: "damaged" for m, d in ruin.items() if d > 0.0}
        inside = {m for m in distance if m not in reason}
        correlation = self._correlations(linear)

        evidence: Evidence = "correlation" if len(inside) > 1 else "single" if inside else "none"
        if evidence == "single":
            (alone,) = inside
            if quality.get(alone, 0.0) < self._minimum_quality:
                reason[alone] = "low quality"
                inside = set()
        elif evidence == "correlation":
            correlated = vouched(inside, correlation, tables.threshold)
            reason |= dict.fromkeys(inside - correlated, "uncorrelated")
            inside = correlated
        return Verdict(frozenset(inside), reason, correlation, distance, ruin, evidence)

    def _correlations(self, linear: Mapping[Modality, NDArray[np.float32]]) -> dict[str, float]:
        present = [i in linear and j in linear for i, j in PAIRS]
        for (i, j), both, rows in zip(PAIRS, present, self._canonical, strict=True):
            if both:
                size = self._side[i, j].stop - self._side[i, j].start
                rows[0, :size], rows[1, :size] = linear[i][self._side[i, j]], linear[j][self._side[j, i]]
        self._sums[self._oldest] = self._canonical @ self._canonical.transpose(0, 2, 1)
        self._oldest = (self._oldest + 1) % len(self._sums)
        for number, both in enumerate(present):
            if not both:
                self._sums[:, number] = 0.0  # what was correlated before a gap says nothing about what comes after it
        found = self._sums.sum(axis=0).tolist()
        return {
            pair_name(*pair): pearson(*sums) for pair, both, sums in zip(PAIRS, present, found, strict=True) if both
        }


def pearson(u: Sequence[float], v: Sequence[float], one: Sequence[float]) -> float:
    """Pearson's correlation, in [-1, 1], from [Σu², Σuv, Σu], [Σuv, Σv², Σv], [Σu, Σv, n]; 0 where one is constant."""
    n = one[2]
    spread = (n * u[0] - one[0] * one[0]) * (n * v[1] - one[1] * one[1])
    if spread <= 0:
        return 0.0
    return max(-1.0, min(1.0, (n * u[1] - one[0] * one[1]) / math.sqrt(spread)))

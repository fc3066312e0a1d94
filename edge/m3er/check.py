"""The modality check: which of the present modalities can be trusted at this step.

Correlation is the paper's evidence (M3ER, AAAI 2020, section 3.2); density and damage are ours. All are precomputed.
"""

from collections import deque
from collections.abc import Mapping, Set
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
        self._sums: dict[str, deque[NDArray[np.float64]]] = {
            pair_name(i, j): deque(maxlen=window_steps) for i, j in PAIRS
        }

    def reset(self) -> None:
        """Forget the steps so far."""
        for sums in self._sums.values():
            sums.clear()

    def step(self, features: Mapping[Modality, NDArray[np.float32]], quality: Mapping[Modality, float]) -> Verdict:
        """Check the modalities present at this step.

        Args:
            features: standardised feature (dim,) of each present modality.
            quality: 0..1, the sensor's own opinion of each present modality.
        """
        distance = {m: density(self._tables, m, features[m]) for m in MODALITIES if m in features}
        ruin = {m: damage(self._tables, m, features[m]) for m in distance}
        reason: dict[Modality, str] = {}
        if self._rule == "full":
            reason |= {m: "out of distribution" for m, d in distance.items() if d > 1.0}
            reason |= {m: "damaged" for m, d in ruin.items() if d > 0.0}
        inside = {m for m in distance if m not in reason}
        correlation = self._correlations(features)

        evidence: Evidence = "correlation" if len(inside) > 1 else "single" if inside else "none"
        if evidence == "single":
            (alone,) = inside
            if quality.get(alone, 0.0) < self._minimum_quality:
                reason[alone] = "low quality"
                inside = set()
        elif evidence == "correlation":
            correlated = vouched(inside, correlation, self._tables.threshold)
            reason |= dict.fromkeys(inside - correlated, "uncorrelated")
            inside = correlated
        return Verdict(frozenset(inside), reason, correlation, distance, ruin, evidence)

    def _correlations(self, features: Mapping[Modality, NDArray[np.float32]]) -> dict[str, float]:
        found = {}
        for i, j in PAIRS:
            sums = self._sums[pair_name(i, j)]
            if i not in features or j not in features:
                sums.clear()  # what was correlated before a gap says nothing about what comes after it
                continue
            # in float64: the sums of squares of a short vector cancel
            u = (self._tables.projection[i, j] @ features[i]).astype(np.float64)
            v = (self._tables.projection[j, i] @ features[j]).astype(np.float64)
            sums.append(np.array([len(u), u.sum(), v.sum(), u @ u, v @ v, u @ v]))
            found[pair_name(i, j)] = pearson(np.sum(sums, axis=0))
        return found


def pearson(sums: NDArray[np.float64]) -> float:
    """Pearson's correlation from [n, Σu, Σv, Σu², Σv², Σuv], in [-1, 1]; 0 where one of the two is constant."""
    n, u, v, uu, vv, uv = sums
    spread = (n * uu - u * u) * (n * vv - v * v)
    if spread <= 0:
        return 0.0
    return float(np.clip((n * uv - u * v) / np.sqrt(spread), -1.0, 1.0))

"""Proxy regeneration: features in place of what is ruined or missing (M3ER, AAAI 2020, section 3.3)."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from edge.m3er.tables import Tables
from edge.reading import MODALITIES, Modality


class ProxyTable:
    """Regenerates a modality's feature from effectual ones, by a table of paired basis vectors."""

    def __init__(self, tables: Tables, neighbours: int, ridge: float) -> None:
        """
        Args:
            tables: from the bundle.
            neighbours: how many of the nearest basis vectors take part.
            ridge: added to the diagonal of the normal equations, keeps the solution small and defined.
        """
        self._tables = tables
        rows = len(tables.basis["face"])
        self._neighbours = min(neighbours, rows)
        self._square = {m: np.einsum("kd,kd->k", basis, basis) for m, basis in tables.basis.items()}
        # V Vᵀ + λI of any few rows is a part of this: nothing is multiplied at a step
        self._normal = {
            m: basis @ basis.T + np.float32(ridge) * np.eye(rows, dtype=np.float32) for m, basis in tables.basis.items()
        }
        self._left = np.empty((len(MODALITIES), self._neighbours, self._neighbours), np.float32)
        self._right = np.empty((len(MODALITIES), self._neighbours, 1), np.float32)

    def regenerate(self, target: Modality, effectual: Mapping[Modality, NDArray[np.float32]]) -> NDArray[np.float32]:
        """A feature (dim,) for `target`: the mean of the proxies from each effectual modality, weighted by skill.

        p_i = Σ_k a_k w_k, where f_j ≈ Σ_k a_k v_k over the basis vectors v_k of j nearest to f_j, and
        a = argmin ‖f_j - Vᵀa‖² + λ‖a‖², that is (V Vᵀ + λI) a = V f_j.

        Args:
            target: what to regenerate.
            effectual: standardised features (dim,) of at least one other modality.
        """
        nearest = []
        for number, (j, feature) in enumerate(effectual.items()):
            products = self._tables.basis[j] @ feature
            chosen = self._nearest(self._square[j] - 2.0 * products)  # ‖f‖² is the same for all
            self._left[number] = self._normal[j].take(chosen, 0).take(chosen, 1)
            self._right[number, :, 0] = products.take(chosen)
            nearest.append(chosen)
        solved = np.linalg.solve(self._left[: len(nearest)], self._right[: len(nearest)])[:, :, 0]
        weights = [self._tables.proxy_weight[j, target] for j in effectual]
        total = sum(weights)
        proxy = np.zeros(self._tables.dim, np.float32)
        for a, chosen, weight in zip(solved, nearest, weights, strict=True):
            proxy += (a @ self._tables.basis[target].take(chosen, 0)) * np.float32(weight / total)
        return proxy

    def from_one(self, target: Modality, source: Modality, feature: NDArray[np.float32]) -> NDArray[np.float32]:
        """The proxy for `target` from one modality's feature (dim,)."""
        return self.regenerate(target, {source: feature})

    def _nearest(self, distance: NDArray[np.float32]) -> NDArray[np.intp]:
        if self._neighbours == len(distance):
            return np.arange(len(distance))
        return distance.argpartition(self._neighbours - 1)[: self._neighbours]

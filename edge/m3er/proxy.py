"""Proxy regeneration: features in place of what is ruined or missing (M3ER, AAAI 2020, section 3.3)."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from edge.m3er.tables import Tables
from edge.reading import Modality


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
        self._neighbours = min(neighbours, len(tables.basis["face"]))
        self._ridge = ridge * np.eye(self._neighbours, dtype=np.float32)
        self._square = {m: np.einsum("kd,kd->k", rows, rows) for m, rows in tables.basis.items()}

    def regenerate(self, target: Modality, effectual: Mapping[Modality, NDArray[np.float32]]) -> NDArray[np.float32]:
        """A feature (dim,) for `target`: the mean of the proxies from each effectual modality, weighted by skill.

        Args:
            target: what to regenerate.
            effectual: standardised features (dim,) of at least one other modality.
        """
        weights = {j: self._tables.proxy_weight[j, target] for j in effectual}
        total = sum(weights.values())
        parts = [self.from_one(target, j, feature) * (weights[j] / total) for j, feature in effectual.items()]
        proxy: NDArray[np.float32] = np.sum(parts, axis=0, dtype=np.float32)
        return proxy

    def from_one(self, target: Modality, source: Modality, feature: NDArray[np.float32]) -> NDArray[np.float32]:
        """p_i = Σ_k a_k w_k, where f_j ≈ Σ_k a_k v_k over the basis vectors v_k of j nearest to f_j.

        a = argmin ‖f_j - Vᵀa‖² + λ‖a‖², that is (V Vᵀ + λI) a = V f_j.
        """
        rows = self._tables.basis[source]
        distance = self._square[source] - 2.0 * (rows @ feature)  # ‖f‖² is the same for all
        if self._neighbours < len(rows):
            nearest = np.argpartition(distance, self._neighbours - 1)[: self._neighbours]
        else:
            nearest = np.arange(len(rows))
        v = rows[nearest]
        a = np.linalg.solve(v @ v.T + self._ridge, v @ feature)
        proxy: NDArray[np.float32] = a @ self._tables.basis[target][nearest]
        return proxy

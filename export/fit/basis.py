"""The basis table: a compact set of paired vectors from which proxies are made."""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from sklearn.cluster import KMeans

from edge.m3er.proxy import ProxyTable
from edge.m3er.tables import Tables
from edge.reading import MODALITIES, Modality

Array = NDArray[np.float32]

_RIDGES = (1.0, 10.0, 30.0, 100.0, 300.0)


def basis_rows(features: Mapping[Modality, Array], rows: int, seed: int) -> dict[Modality, Array]:
    """Centres of k-means over the joined features: row n of every modality tells of the same kind of moment.

    Args:
        features: standardised, paired, per modality (n, dim).
        rows: size of the table.
    """
    joined = np.concatenate([features[m] for m in MODALITIES], axis=1)
    centres = KMeans(rows, n_init=2, random_state=seed).fit(joined).cluster_centers_.astype(np.float32)
    return dict(zip(MODALITIES, np.split(centres, len(MODALITIES), axis=1), strict=True))


def explained_share(target: Array, made: Array) -> float:
    """1 - mean squared error over the target's mean square, which for standardised features is its variance."""
    return float(1.0 - np.square(target - made).mean() / np.square(target).mean())


def explained_by_proxies(
    tables: Tables, features: Mapping[Modality, Array], neighbours: int, ridge: float
) -> dict[tuple[Modality, Modality], float]:
    """Per direction (from j, to i): the share of the target's variance that its proxies explain; below 0 is harm.

    Args:
        features: standardised, paired, of people not fitted on, per modality (n, dim).
    """
    proxies = ProxyTable(tables, neighbours, ridge)
    explained = {}
    for j, i in tables.proxy_weight:
        made = np.stack([proxies.from_one(i, j, feature) for feature in features[j]])
        explained[j, i] = explained_share(features[i], made)
    return explained


def choose_ridge(tables: Tables, features: Mapping[Modality, Array], neighbours: int) -> tuple[Tables, float]:
    """The ridge whose proxies explain most on validation, and tables whose directions are weighed by it (>= 0.01)."""
    found = {ridge: explained_by_proxies(tables, features, neighbours, ridge) for ridge in _RIDGES}
    best = max(_RIDGES, key=lambda ridge: sum(found[ridge].values()))
    weights = {direction: max(share, 0.01) for direction, share in found[best].items()}
    return replace(tables, proxy_weight=weights), best

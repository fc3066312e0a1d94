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


def basis_rows(features: Mapping[Modality, Array], rows: int, seed: int) -> dict[Modality, Array]:
    """Centres of k-means over the joined features: row n of every modality tells of the same kind of moment.

    Args:
        features: standardised, paired, per modality (n, dim).
        rows: size of the table.
    """
    joined = np.concatenate([features[m] for m in MODALITIES], axis=1)
    centres = KMeans(rows, n_init=2, random_state=seed).fit(joined).cluster_centers_.astype(np.float32)
    return dict(zip(MODALITIES, np.split(centres, len(MODALITIES), axis=1), strict=True))


def set_proxy_weights(tables: Tables, features: Mapping[Modality, Array], neighbours: int, ridge: float) -> Tables:
    """Weigh each direction by the share of the target's variance that its proxies explain on validation (>= 0.01)."""
    proxies = ProxyTable(tables, neighbours, ridge)
    weights = {}
    for j, i in tables.proxy_weight:
        made = np.stack([proxies.from_one(i, j, feature) for feature in features[j]])
        explained = 1.0 - np.square(features[i] - made).mean() / np.square(features[i]).mean()
        weights[j, i] = float(max(explained, 0.01))
    return replace(tables, proxy_weight=weights)

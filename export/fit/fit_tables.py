"""All tables of a bundle from paired features: fitted on ``matching``, limits and weights set on ``validation``."""

from collections.abc import Mapping
from dataclasses import replace
from itertools import permutations

import numpy as np
from numpy.typing import NDArray

from edge.m3er.tables import Tables
from edge.reading import MODALITIES, PAIRS, Modality, pair_name
from export.corpora.paired import PairedSteps
from export.fit.basis import basis_rows, choose_ridge
from export.fit.canonical import projections, set_thresholds
from export.fit.cloud import density_limit, standardisation, whitening

Array = NDArray[np.float32]

CHECK_WINDOW_STEPS = 4
CANONICAL_DIMENSIONS = 8
SHRINKAGE = 0.1
BASIS_ROWS = 128
NEIGHBOURS = 16
INSIDE_CLOUD = 0.99
"""Share of clean validation features inside the density limit."""
CLEAN_LOST_AT_MOST = 0.05
"""Share of clean validation features that the whole check may drop."""


def standardised(tables: Tables, pairs: PairedSteps) -> dict[Modality, Array]:
    """Features of paired steps on the tables' scale, per modality (n, steps, dim)."""
    return {m: tables.standardise(m, pairs.features[m]) for m in MODALITIES}


def fit_tables(matching: PairedSteps, validation: PairedSteps, seed: int) -> tuple[Tables, float]:
    """Standardisation, density, canonical projections, thresholds, basis table and proxy weights; and the ridge."""
    moments = {m: f.reshape(-1, f.shape[-1]) for m, f in matching.features.items()}
    together = matching.present.reshape(-1, len(MODALITIES)).all(axis=1)
    scales = {m: standardisation(f[together]) for m, f in moments.items()}
    paired = {m: ((f[together] - scales[m][0]) / scales[m][1]).astype(np.float32) for m, f in moments.items()}
    basis = _as_stored(basis_rows(paired, BASIS_ROWS, seed))
    tables = Tables(
        mean={m: scales[m][0] for m in MODALITIES},
        scale={m: scales[m][1] for m in MODALITIES},
        whiten={m: whitening(paired[m]) for m in MODALITIES},
        density_limit=dict.fromkeys(MODALITIES, 1.0),
        projection=projections(paired, CANONICAL_DIMENSIONS, SHRINKAGE),
        threshold={pair_name(*pair): 0.0 for pair in PAIRS},
        basis=basis,
        proxy_weight=dict.fromkeys(permutations(MODALITIES, 2), 1.0),
        temperature=1.0,
    )
    held_out = standardised(tables, validation)
    flat = {m: f[:, -1] for m, f in held_out.items()}
    limits = {m: density_limit(flat[m], tables.whiten[m], INSIDE_CLOUD) for m in MODALITIES}
    tables = replace(tables, density_limit=limits)
    tables, ridge = choose_ridge(tables, flat, NEIGHBOURS)
    return set_thresholds(tables, held_out, validation.present, CHECK_WINDOW_STEPS, CLEAN_LOST_AT_MOST), ridge


def _as_stored(basis: Mapping[Modality, Array]) -> dict[Modality, Array]:
    """The basis as the device will read it back: int8 with one scale a modality."""
    stored = {}
    for m, rows in basis.items():
        scale = np.abs(rows).max() / 127.0
        stored[m] = (np.round(rows / scale) * scale).astype(np.float32)
    return stored

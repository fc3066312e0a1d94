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
from export.fit.canonical import choose_projections, projections
from export.fit.cloud import damage_limit, density_limit, standardisation, whitening
from export.fit.thresholds import set_thresholds

Array = NDArray[np.float32]

CHECK_WINDOW_STEPS = 4
SHRINKAGE = 0.1
BASIS_ROWS = 128
NEIGHBOURS = 16
LOST_TO_DENSITY = 0.002
LOST_TO_DAMAGE = 0.02
CLEAN_LOST_AT_MOST = 0.01
"""Shares of clean validation features that density, the damage detectors and the whole check may drop; correlation gets
what is left of the last. Five in a hundred were allowed. Each kind of evidence gets as much as it finds: the detectors
tell ruined features with an ROC area of .9 and more; density finds little that they do not find better; and correlation
tells a mismatch from a match with an area of .6 to .7 only: with .03 for the whole check it cost the sample clip's
voice a quarter of its steps."""
STRANGE_LOST: Mapping[Modality, float] = {"face": 0.01, "speech": 0.0, "text": 0.01}
"""Shares of sound but strange inputs (other cameras, rooms, voices than the corpora's) that the detectors may take for
ruined. None of the voices: what is made strange here is less strange than a synthetic voice, of which the detector took
half for ruined at .02, while it found hardly more that is ruined."""


def standardised(tables: Tables, pairs: PairedSteps) -> dict[Modality, Array]:
    """Features of paired steps on the tables' scale, per modality (n, steps, dim)."""
    return {m: tables.standardise(m, pairs.features[m]) for m in MODALITIES}


def fit_tables(
    matching: PairedSteps,
    validation: PairedSteps,
    ruin: Mapping[Modality, Array],
    strange: Mapping[Modality, Array],
    seed: int,
) -> tuple[Tables, float]:
    """All tables, and the ridge of the proxies.

    Args:
        ruin: per modality (dim + 1,): weights and constant of the encoder's own head for ruined inputs.
        strange: features of sound inputs unlike the corpora's, of validation people, as the encoder gives them,
            (n, dim), of the modalities that have some.
    """
    moments = {m: f.reshape(-1, f.shape[-1]) for m, f in matching.features.items()}
    together = matching.present.reshape(-1, len(MODALITIES)).all(axis=1)
    scales = {m: standardisation(f[together]) for m, f in moments.items()}
    paired = {m: ((f[together] - scales[m][0]) / scales[m][1]).astype(np.float32) for m, f in moments.items()}
    basis = _as_stored(basis_rows(paired, min(BASIS_ROWS, len(paired["face"]) // 2), seed))
    tables = Tables(
        mean={m: scales[m][0] for m in MODALITIES},
        scale={m: scales[m][1] for m in MODALITIES},
        whiten={m: whitening(paired[m]) for m in MODALITIES},
        density_limit=dict.fromkeys(MODALITIES, 1.0),
        damage={m: _on_standardised(ruin[m], *scales[m]) for m in MODALITIES},
        projection=projections(paired, 2, SHRINKAGE),
        threshold={pair_name(*pair): 0.0 for pair in PAIRS},
        basis=basis,
        proxy_weight=dict.fromkeys(permutations(MODALITIES, 2), 1.0),
        temperature=np.ones(len(MODALITIES), np.float32),
    )
    held_out = standardised(tables, validation)
    whole = validation.present[:, -CHECK_WINDOW_STEPS:].all(axis=(1, 2))
    held_out_whole = {m: f[whole] for m, f in held_out.items()}
    flat = {m: f[:, -1] for m, f in held_out_whole.items()}
    limits = {m: density_limit(flat[m], tables.whiten[m], 1.0 - LOST_TO_DENSITY) for m in MODALITIES}
    damage = {
        m: damage_limit(
            flat[m],
            tables.damage[m],
            LOST_TO_DAMAGE,
            tables.standardise(m, strange[m]) if m in strange else None,
            STRANGE_LOST[m],
        )
        for m in MODALITIES
    }
    tables = replace(tables, density_limit=limits, damage=damage)
    chosen = choose_projections(paired, held_out_whole, CHECK_WINDOW_STEPS, SHRINKAGE)
    tables = replace(tables, projection=chosen)
    tables, ridge = choose_ridge(tables, flat, NEIGHBOURS)
    return set_thresholds(tables, held_out, validation.present, CHECK_WINDOW_STEPS, CLEAN_LOST_AT_MOST), ridge


def _on_standardised(ruin: Array, mean: Array, scale: Array) -> Array:
    """A linear detector of an encoder's raw features, for standardised ones."""
    weights = ruin[:-1] * scale
    return np.append(weights, ruin[-1] + ruin[:-1] @ mean).astype(np.float32)


def _as_stored(basis: Mapping[Modality, Array]) -> dict[Modality, Array]:
    """The basis as the device will read it back: int8 with one scale a modality."""
    stored = {}
    for m, rows in basis.items():
        scale = np.abs(rows).max() / 127.0
        stored[m] = (np.round(rows / scale) * scale).astype(np.float32)
    return stored

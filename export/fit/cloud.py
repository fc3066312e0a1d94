"""Standardisation, density and damage: what a usual feature of each modality looks like, and a ruined one."""

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float32]

_LEAST_VARIANCE = 0.1


def standardisation(features: Array) -> tuple[Array, Array]:
    """Mean and scale (dim,) of features (n, dim)."""
    return features.mean(axis=0), np.maximum(features.std(axis=0), 1e-3)


def whitening(standardised: Array) -> Array:
    """W (dim, dim) for the density: the mean square of W f is about 1 for a usual feature.

    Mahalanobis distance, but no direction is blown up more than 1 / sqrt(_LEAST_VARIANCE) times: in directions that
    hardly vary, a quantised net's rounding would count as strangeness.
    """
    covariance = standardised.T @ standardised / len(standardised)
    values, vectors = np.linalg.eigh(covariance.astype(np.float64))
    whiten: Array = (vectors / np.sqrt(np.maximum(values, _LEAST_VARIANCE))).T.astype(np.float32)
    return whiten


def density_limit(standardised: Array, whiten: Array, inside: float) -> float:
    """The density (mean square of the whitened feature) below which a share `inside` of clean features lies."""
    return float(np.quantile(np.square(standardised @ whiten.T).mean(axis=1), inside))


def damage_limit(
    standardised: Array, damage: Array, lost: float, strange: Array | None, strange_lost: float = 0.0
) -> Array:
    """The damage detector (dim + 1,) with its constant moved to where it may say "damaged".

    Above 0 are a share `lost` of clean features and `strange_lost` of strange but sound ones: the higher limit counts.

    Args:
        standardised: clean features (n, dim).
        strange: features (m, dim) of sound inputs unlike the corpora's; None where there are none: the detector's own
            constant is kept, unless it cuts into the cloud.
    """
    edge = float(np.quantile(standardised @ damage[:-1] + damage[-1], 1.0 - lost))
    beyond = 0.0 if strange is None else float(np.quantile(strange @ damage[:-1] + damage[-1], 1.0 - strange_lost))
    return np.append(damage[:-1], damage[-1] - max(edge, beyond)).astype(np.float32)

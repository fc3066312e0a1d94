"""Standardisation and density: what a usual feature of each modality looks like."""

import numpy as np
from numpy.typing import NDArray
from sklearn.covariance import LedoitWolf

Array = NDArray[np.float32]


def standardisation(features: Array) -> tuple[Array, Array]:
    """Mean and scale (dim,) of features (n, dim)."""
    return features.mean(axis=0), np.maximum(features.std(axis=0), 1e-3)


def whitening(standardised: Array) -> Array:
    """W (dim, dim) with mean square of W f = Mahalanobis distance² / dim, covariance shrunk after Ledoit and Wolf."""
    precision = LedoitWolf(assume_centered=True).fit(standardised).precision_
    whiten: Array = np.linalg.cholesky(precision).T.astype(np.float32)
    return whiten


def density_limit(standardised: Array, whiten: Array, inside: float) -> float:
    """The density (mean square of the whitened feature) below which a share `inside` of clean features lies."""
    return float(np.quantile(np.square(standardised @ whiten.T).mean(axis=1), inside))

"""Proxies for many samples at once, on features that have a size of their own for each modality, to be compared."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import permutations
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from sklearn.cluster import KMeans
from sklearn.linear_model import LogisticRegression

from export.fit.basis import explained_share

Array = NDArray[np.float32]
Way = tuple[int, int]
"""From j, to i: numbers of modalities."""

Kind = Literal["basis table", "ridge regression", "class mean", "zero"]
KINDS: tuple[Kind, ...] = ("basis table", "ridge regression", "class mean", "zero")

BASIS_ROWS = 128
NEIGHBOURS = 16
_RIDGES = (1.0, 10.0, 30.0, 100.0, 300.0, 1000.0)
_PENALTIES = (1e2, 1e3, 1e4, 1e5)
_LEAST_SKILL = 0.01


@dataclass(frozen=True)
class Proxies:
    """How to regenerate each modality from each other.

    Attributes:
        makers: per way: features of j (n, size) to proxies of i (n, size of i).
        explained: per way: share of the target's variance that they explain on the samples chosen on; below 0 is harm.
    """

    makers: dict[Way, Callable[[Array], Array]]
    explained: dict[Way, float]

    def of(self, features: Sequence[Array]) -> dict[Way, Array]:
        """All proxies of these features, per modality (n, size)."""
        return {(j, i): maker(features[j]) for (j, i), maker in self.makers.items()}

    def skills(self, modalities: int, weighted: bool = True) -> Array:
        """Weights (M from, M to) of the mean over sources, or all 1; 0 where there is no proxy."""
        out = np.zeros((modalities, modalities), np.float32)
        for way, share in self.explained.items():
            out[way] = max(share, _LEAST_SKILL) if weighted else 1.0
        return out


def from_basis(source: Array, target: Array, neighbours: int, ridge: float, features: Array) -> Array:
    """p_i = Σ_k a_k w_k of each sample, as :meth:`edge.m3er.proxy.ProxyTable.from_one` of one.

    Args:
        source, target: paired basis rows (k, size of j) and (k, size of i).
        features: (n, size of j).

    Returns:
        (n, size of i).
    """
    neighbours = min(neighbours, len(source))
    distance = np.square(source).sum(axis=1) - 2.0 * features @ source.T
    nearest = np.argpartition(distance, neighbours - 1, axis=1)[:, :neighbours]
    v = source[nearest]  # (n, neighbours, size)
    gram = v @ v.transpose(0, 2, 1) + ridge * np.eye(neighbours, dtype=np.float32)
    a = np.linalg.solve(gram, (v @ features[:, :, None]))
    proxies: Array = (a.transpose(0, 2, 1) @ target[nearest])[:, 0]
    return proxies


def make_proxies(
    kind: Kind,
    features: Sequence[Array],
    labels: NDArray[np.int64],
    fitted: NDArray[np.int64],
    held_out: NDArray[np.int64],
    seed: int,
) -> Proxies:
    """Proxies fitted on some samples; each way has the ridge that explains most of `held_out`.

    Args:
        features: per modality, standardised (n, size), of the whole corpus.
        labels: (n,); only those of `fitted` are looked at.
        fitted, held_out: numbers of samples, of different people.
    """
    ways = list(permutations(range(len(features)), 2)) if kind != "zero" else []
    rows = _basis_rows([f[fitted] for f in features], seed) if kind == "basis table" else []
    makers, explained = {}, {}
    for j, i in ways:
        candidates: list[Callable[[Array], Array]]
        if kind == "basis table":
            candidates = [partial(from_basis, rows[j], rows[i], NEIGHBOURS, ridge) for ridge in _RIDGES]
        elif kind == "ridge regression":
            candidates = [
                partial(_times, _ridge_regression(features[j][fitted], features[i][fitted], penalty))
                for penalty in _PENALTIES
            ]
        else:
            candidates = [_class_mean(features[j][fitted], features[i][fitted], labels[fitted], seed)]
        shares = [explained_share(features[i][held_out], make(features[j][held_out])) for make in candidates]
        best = int(np.argmax(shares))
        makers[j, i], explained[j, i] = candidates[best], shares[best]
    return Proxies(makers, explained)


def _basis_rows(features: Sequence[Array], seed: int) -> list[Array]:
    """Centres of k-means over the joined features, as :func:`export.fit.basis.basis_rows`."""
    joined = np.concatenate(features, axis=1)
    centres = KMeans(min(BASIS_ROWS, len(joined)), n_init=1, random_state=seed).fit(joined).cluster_centers_
    return np.split(centres.astype(np.float32), np.cumsum([f.shape[1] for f in features])[:-1], axis=1)


def _ridge_regression(source: Array, target: Array, penalty: float) -> Array:
    """W = (XᵀX + λI)⁻¹ XᵀY, (size of j, size of i)."""
    gram = source.T @ source + penalty * np.eye(source.shape[1], dtype=np.float32)
    weights: Array = np.linalg.solve(gram, source.T @ target)
    return weights


def _times(weights: Array, features: Array) -> Array:
    made: Array = features @ weights
    return made


def _class_mean(source: Array, target: Array, labels: NDArray[np.int64], seed: int) -> Callable[[Array], Array]:
    """The target's mean over the class that a logistic regression on the source predicts."""
    model = LogisticRegression(C=0.01, max_iter=300, random_state=seed).fit(source, labels)
    means = np.stack([target[labels == c].mean(axis=0) for c in model.classes_])

    def made(features: Array) -> Array:
        taken: Array = means[np.searchsorted(model.classes_, model.predict(features))]
        return taken

    return made

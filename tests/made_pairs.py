"""Made pairs of known answer."""

import numpy as np
from numpy.typing import NDArray

from edge.reading import MODALITIES, Modality
from export.corpora.paired import FeaturePairs

Array = NDArray[np.float32]


def made_pairs(people: int = 18, each: int = 30, seed: int = 0, noise: float = 0.5) -> FeaturePairs:
    """Three modalities, of 6, 7 and 8 numbers, that tell of the same four hidden things; the first is the class."""
    rng = np.random.default_rng(seed)
    n = people * each
    labels = rng.integers(0, 2, n)
    hidden = np.c_[3.0 * labels - 1.5, rng.normal(0.0, 1.0, (n, 3))]
    features: dict[Modality, Array] = {}
    for k, m in enumerate(MODALITIES):
        way = np.linalg.qr(np.random.default_rng(k).normal(0.0, 1.0, (6 + k, 4)))[0].T
        features[m] = (hidden @ way + noise * rng.normal(0.0, 1.0, (n, 6 + k))).astype(np.float32)
    person = np.array([f"p{k:02d}" for k in range(people)]).repeat(each)
    return FeaturePairs(
        name="made",
        features=features,
        labels=labels,
        label_names=("bad", "good"),
        person=person,
        position=np.concatenate([rng.permutation(each) for _ in range(people)]),
        split=np.where(np.arange(people).repeat(each) < people // 2, "train", "test"),
    )

"""Tables of random numbers that are right in form: for what does not depend on what they say."""

from itertools import permutations

import numpy as np
from numpy.typing import NDArray

from edge.m3er.tables import Tables
from edge.reading import MODALITIES, PAIRS, pair_name


def random_tables(rng: np.random.Generator, dim: int, r: int, rows: int) -> Tables:
    """They come back from disk exactly as they are.

    Args:
        dim: length of a feature.
        r: canonical dimensions.
        rows: of the basis table.
    """

    def normal(*shape: int) -> NDArray[np.float32]:
        return rng.normal(0.0, 1.0, shape).astype(np.float32)

    both_ways = list(permutations(MODALITIES, 2))
    basis = {m: rng.integers(-100, 101, (rows, dim)) for m in MODALITIES}
    for steps in basis.values():
        steps[0, 0] = 127
    return Tables(
        mean={m: normal(dim) for m in MODALITIES},
        scale={m: rng.uniform(0.5, 2.0, dim).astype(np.float32) for m in MODALITIES},
        whiten={m: (np.eye(dim) + 0.1 * normal(dim, dim)).astype(np.float32) for m in MODALITIES},
        density_limit={m: float(np.float32(rng.uniform(1.3, 1.8))) for m in MODALITIES},
        damage={m: np.append(normal(dim) / dim, np.float32(-1.0)) for m in MODALITIES},
        projection={pair: normal(r, dim) for pair in both_ways},
        threshold={pair_name(i, j): float(np.float32(rng.uniform(-0.2, 0.4))) for i, j in PAIRS},
        basis={m: (steps / np.float32(64)).astype(np.float32) for m, steps in basis.items()},
        proxy_weight={pair: float(np.float32(rng.uniform(0.05, 1.0))) for pair in both_ways},
        temperature=rng.uniform(0.7, 2.0, len(MODALITIES)).astype(np.float32),
    )

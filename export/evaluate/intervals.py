"""Bootstrap intervals of accuracies, by person."""

import numpy as np
from numpy.typing import NDArray

_DRAWS = 2000


def accuracy_interval(right: NDArray[np.floating], person: NDArray[np.str_], seed: int) -> tuple[float, float, float]:
    """The mean of `right` and the ends of its 95 % interval when people are drawn anew, each with all their samples.

    Args:
        right: (n,) 0 or 1, or the mean over several nets.
        person: (n,), whose sample it is.
    """
    _, number = np.unique(person, return_inverse=True)
    count = np.bincount(number)
    hits = np.bincount(number, weights=right)
    drawn = np.random.default_rng(seed).multinomial(len(count), np.full(len(count), 1 / len(count)), _DRAWS)
    low, high = np.quantile(drawn @ hits / (drawn @ count), [0.025, 0.975])
    return float(right.mean()), float(low), float(high)

"""What ruins a transcript: wrong words."""

from collections.abc import Sequence

import numpy as np

_ACTIONS = ("replace", "drop", "insert")
_SHARES = (0.7, 0.2, 0.1)
"""Of a recogniser's errors, most are substitutions."""


def word_errors(words: Sequence[str], rate: float, pool: Sequence[str], rng: np.random.Generator) -> list[str]:
    """The words with about `rate` of them wrong: replaced, dropped, or one inserted behind them.

    Args:
        pool: words that come instead, as often as they stand here.
    """
    out: list[str] = []
    for word in words:
        if rng.random() >= rate:
            out.append(word)
            continue
        action = rng.choice(_ACTIONS, p=_SHARES)
        if action == "insert":
            out.append(word)
        if action != "drop":
            out.append(pool[int(rng.integers(len(pool)))])
    return out or [pool[int(rng.integers(len(pool)))]]

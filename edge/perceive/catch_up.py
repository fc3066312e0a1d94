"""Where to go on when speech recognition has fallen behind: in a pause, so that no word is torn."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

LONGEST_LAG_S = 3.0
"""Words that come later than this are of another moment: sound is dropped."""
_KEPT_S = 1.0
_QUIET_FACTOR = 2.0  # 6 dB above the quietest tenth is still a pause


def blocks_to_drop(blocks: Sequence[NDArray[np.int16]], block_s: float) -> int:
    """How many of the waiting blocks, the oldest first, are not to be recognised.

    Args:
        blocks: int16 (n,) each, in order.
        block_s: the length of one.

    Returns:
        0 while they hold no more than :data:`LONGEST_LAG_S`. Else so many that at most a second is left, which
        begins with the earliest pause in it; without a pause there, a second.
    """
    if len(blocks) * block_s <= LONGEST_LAG_S:
        return 0
    levels = np.array(
        [np.sqrt(np.mean(np.square(block.astype(np.float32)))) if block.size else 0.0 for block in blocks]
    )
    first = len(blocks) - max(1, round(_KEPT_S / block_s))
    quiet = levels <= _QUIET_FACTOR * np.quantile(levels, 0.1)
    pauses = np.flatnonzero(quiet[first:])
    return int(first + pauses[0]) if pauses.size else first

"""Speech recognition that has fallen behind goes on in a pause."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from edge.perceive.catch_up import LONGEST_LAG_S, blocks_to_drop

BLOCK_S = 0.1
LOUD, QUIET = 3000.0, 20.0


def blocks(levels: list[float]) -> list[np.ndarray[tuple[int], np.dtype[np.int16]]]:
    rng = np.random.default_rng(0)
    return [rng.normal(0, level, 1600).astype(np.int16) for level in levels]


def test_nothing_is_dropped_while_it_keeps_up() -> None:
    assert blocks_to_drop([], BLOCK_S) == 0
    assert blocks_to_drop(blocks([LOUD] * 30), BLOCK_S) == 0


def test_it_goes_on_with_the_first_pause_of_the_last_second() -> None:
    levels = [LOUD] * 60
    levels[20] = levels[54] = levels[57] = QUIET
    levels[10:14] = [QUIET] * 4
    assert blocks_to_drop(blocks(levels), BLOCK_S) == 54


def test_without_a_pause_the_last_second_is_kept() -> None:
    levels = [QUIET] * 10 + [LOUD] * 50
    assert blocks_to_drop(blocks(levels), BLOCK_S) == 50


@given(st.lists(st.floats(0, 8000), max_size=120))
def test_what_is_left_is_short_and_never_nothing(levels: list[float]) -> None:
    dropped = blocks_to_drop(blocks(levels), BLOCK_S)
    if len(levels) * BLOCK_S <= LONGEST_LAG_S:
        assert dropped == 0
    else:
        assert 0 < len(levels) - dropped <= 10

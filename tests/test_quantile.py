"""The quick quantiles are numpy's own."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray

from edge.perceive.quantile import quantiles

_values = arrays(np.float64, st.integers(1, 200), elements=st.floats(-1e6, 1e6))


@given(_values, st.lists(st.floats(0.0, 1.0), min_size=1, max_size=4))
def test_quantiles_are_those_of_numpy(values: NDArray[np.float64], shares: list[float]) -> None:
    expected = np.quantile(values, shares)
    np.testing.assert_allclose(quantiles(values, *shares), expected, rtol=1e-9, atol=1e-6)


def test_they_leave_the_values_as_they_are() -> None:
    values = np.array([3.0, 1.0, 2.0])
    assert quantiles(values, 0.0, 0.5, 1.0) == [1.0, 2.0, 3.0]
    assert values.tolist() == [3.0, 1.0, 2.0]

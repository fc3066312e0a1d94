"""One input of a net."""

from typing import Any

from numpy.typing import NDArray

Sample = dict[str, NDArray[Any]]
"""Arrays by name, with a leading batch of 1, in the order of the net's arguments."""

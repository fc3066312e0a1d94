"""Run one net file, whatever wrote it."""

from collections.abc import Mapping
from typing import Any, Protocol

from numpy.typing import NDArray

Arrays = Mapping[str, NDArray[Any]]


class Engine(Protocol):
    """One net, loaded and ready."""

    name: str
    """Engine and where it runs, e.g. ``onnx/CPUExecutionProvider``."""

    def run(self, inputs: Arrays) -> dict[str, NDArray[Any]]:
        """Outputs by name, for inputs by name; shapes and dtypes as in the bundle's manifest."""
        ...

"""Run one net file, whatever wrote it."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, Protocol

from numpy.typing import NDArray

Arrays = Mapping[str, NDArray[Any]]
EngineName = Literal["onnx", "litert"]
Precision = Literal["fp32", "int8"]
Provider = Literal["cpu", "xnnpack", "cuda", "tensorrt"]
"""What onnxruntime may run on. LiteRT has one way only: XNNPACK on the CPU."""
SUFFIX: Mapping[EngineName, str] = {"onnx": "onnx", "litert": "tflite"}
"""Of an engine's files."""


class Engine(Protocol):
    """One net, loaded and ready."""

    name: str
    """Engine and where it runs, e.g. ``onnx/CPUExecutionProvider``."""
    inputs: list[str]
    """Names of what :meth:`run` wants."""

    def run(self, inputs: Arrays) -> dict[str, NDArray[Any]]:
        """Outputs by name, for inputs by name; shapes and dtypes as in the bundle's manifest."""
        ...


def open_engine(path: Path, threads: int = 1, provider: Provider = "cpu") -> Engine:
    """The engine for a file: onnxruntime for ``.onnx``, LiteRT for ``.tflite``. Each is imported only when asked for.

    Args:
        threads: of one net; ours are so small that one is mostly best.
        provider: what onnxruntime should run on; it falls back to the CPU, and says so.

    Raises:
        M3erError: the engine is not installed, or the file is not a net that it can run.
    """
    if path.suffix == f".{SUFFIX['litert']}":
        from edge.engines.litert_engine import LiteRtEngine

        return LiteRtEngine(path, threads)
    from edge.engines.onnx_engine import OnnxEngine

    return OnnxEngine(path, threads, provider)

"""ONNX nets through onnxruntime, on one thread."""

from pathlib import Path
from typing import Any

import onnxruntime
from numpy.typing import NDArray

from edge.engines.engine import Arrays
from edge.errors import M3erError


class OnnxEngine:
    """An ONNX file on the CPU. One thread: our nets are too small for more, and the board has other work."""

    def __init__(self, path: Path) -> None:
        """Load. Raises M3erError if the file is not a net that this onnxruntime can run."""
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        options.inter_op_num_threads = 1
        options.log_severity_level = 3
        options.enable_cpu_mem_arena = False  # grows for ever on varying shapes; ours are fixed and small
        try:
            self._session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        except Exception as error:  # noqa: BLE001 - onnxruntime's own exceptions share no narrower base
            raise M3erError(f"{path}: onnxruntime cannot load it ({str(error).splitlines()[0]})") from None
        self.name = "onnx/" + self._session.get_providers()[0]
        self.inputs = [put.name for put in self._session.get_inputs()]
        """Names of what :meth:`run` wants."""
        self._outputs = [output.name for output in self._session.get_outputs()]

    def run(self, inputs: Arrays) -> dict[str, NDArray[Any]]:
        """See :class:`edge.engines.engine.Engine`."""
        return dict(zip(self._outputs, self._session.run(None, dict(inputs)), strict=True))

"""ONNX nets through onnxruntime."""

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import onnxruntime
from numpy.typing import NDArray

from edge.engines.engine import Arrays, Provider
from edge.errors import M3erError

_log = logging.getLogger(__name__)

CPU = "CPUExecutionProvider"
_PROVIDERS: Mapping[Provider, tuple[str, ...]] = {
    "cpu": (CPU,),
    "xnnpack": ("XnnpackExecutionProvider", CPU),
    "cuda": ("CUDAExecutionProvider", CPU),
    "tensorrt": ("TensorrtExecutionProvider", "CUDAExecutionProvider", CPU),
}
"""Each in the order of preference: what one cannot run, the next does."""


class OnnxEngine:
    """An ONNX file on the CPU, or on what the board's profile asks for where this onnxruntime has it."""

    def __init__(self, path: Path, threads: int = 1, provider: Provider = "cpu") -> None:
        """Load. Raises M3erError if the file is not a net that this onnxruntime can run.

        onnxruntime falls back to the next provider without an error; what it really got is logged as a warning.
        """
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        options.log_severity_level = 3
        # Without VNNI, x86's fast int8 products saturate, silently: the fusion's memory was off by 0.76 of its spread.
        options.add_session_config_entry("session.x64quantprecision", "1")
        options.enable_cpu_mem_arena = False  # grows for ever on varying shapes; ours are fixed and small
        installed = onnxruntime.get_available_providers()
        wanted = [name for name in _PROVIDERS[provider] if name in installed]
        try:
            self._session = onnxruntime.InferenceSession(str(path), options, providers=wanted)
        except Exception as error:  # noqa: BLE001 - onnxruntime's own exceptions share no narrower base
            raise M3erError(f"{path}: onnxruntime cannot load it ({str(error).splitlines()[0]})") from None
        got = self._session.get_providers()[0]
        if got != _PROVIDERS[provider][0]:
            why = "could not start it" if _PROVIDERS[provider][0] in installed else f"has only {', '.join(installed)}"
            _log.warning(
                "%s: the board's profile asks for %s, but this onnxruntime %s; it runs on %s. "
                "Install an onnxruntime with that provider, or set provider = 'cpu'",
                path.name,
                provider,
                why,
                got,
            )
        self.name = f"onnx/{got}"
        self.inputs = [put.name for put in self._session.get_inputs()]
        self._outputs = [output.name for output in self._session.get_outputs()]

    def run(self, inputs: Arrays) -> dict[str, NDArray[Any]]:
        """See :class:`edge.engines.engine.Engine`."""
        return dict(zip(self._outputs, self._session.run(None, dict(inputs)), strict=True))

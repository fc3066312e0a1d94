"""TFLite nets through LiteRT, or through the old tflite-runtime where a board still has that."""

from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from edge.engines.engine import Arrays
from edge.errors import M3erError
from edge.quiet import quiet_stderr

try:
    from ai_edge_litert.interpreter import Interpreter

    RUNTIME = "litert"
except ImportError:
    try:
        from tflite_runtime.interpreter import Interpreter

        RUNTIME = "tflite-runtime"
    except ImportError:
        Interpreter = None
        RUNTIME = ""


class LiteRtEngine:
    """A TFLite file on the CPU, through XNNPACK where it knows the operation."""

    def __init__(self, path: Path, threads: int = 1) -> None:
        """Load. Raises M3erError if no runtime is installed or the file is not a net that it can run."""
        if Interpreter is None:
            raise M3erError(
                f"{path}: needs LiteRT, which is not installed: pip install ai-edge-litert (or choose engine = 'onnx')"
            )
        try:
            with quiet_stderr():  # it announces XNNPACK on stderr for every net
                self._interpreter = Interpreter(model_path=str(path), num_threads=threads)
                self._interpreter.allocate_tensors()
                signature = self._interpreter.get_signature_runner()
                self._numbers = {name: at["index"] for name, at in signature.get_input_details().items()}
                self._outputs = {name: at["index"] for name, at in signature.get_output_details().items()}
        except (ValueError, RuntimeError, KeyError, OSError) as error:
            why = str(error).splitlines()[0] if str(error) else type(error).__name__
            raise M3erError(f"{path}: LiteRT cannot load it ({why})") from None
        self.name = f"{RUNTIME}/XNNPACK"
        self.inputs = list(self._numbers)

    def run(self, inputs: Arrays) -> dict[str, NDArray[Any]]:
        """See :class:`edge.engines.engine.Engine`."""
        for name, number in self._numbers.items():
            self._interpreter.set_tensor(number, inputs[name])
        self._interpreter.invoke()
        return {name: self._interpreter.get_tensor(number) for name, number in self._outputs.items()}

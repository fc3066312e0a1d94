"""Which machine is this: a time without its machine means nothing."""

import os
import platform
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from edge.bench.record import Machine

_MODELS = (Path("/proc/device-tree/model"), Path("/sys/firmware/devicetree/base/model"))
"""Of the device tree; a confined service may see only the second."""
_CPU_INFO = Path("/proc/cpuinfo")


def this_machine() -> Machine:
    """A board's name from its device tree, another machine's from its processor."""
    import onnxruntime  # 17 MB, and this module is loaded by every command

    return Machine(
        name=_name(),
        cores=len(os.sched_getaffinity(0)),
        architecture=platform.machine(),
        python=platform.python_version(),
        onnxruntime=onnxruntime.__version__,
        providers=onnxruntime.get_available_providers(),
        litert=_litert(),
    )


def _name() -> str:
    for model in _MODELS:
        if model.is_file():
            return model.read_text(encoding="utf-8", errors="replace").strip("\0\n ")
    if _CPU_INFO.is_file():
        for line in _CPU_INFO.read_text(encoding="utf-8", errors="replace").splitlines():
            key, _, value = line.partition(":")
            if key.strip().lower() in ("model name", "hardware") and value.strip():
                return value.strip()
    return platform.processor() or "unknown"


def _litert() -> str:
    for package in ("ai-edge-litert", "tflite-runtime"):
        try:
            return f"{package} {version(package)}"
        except PackageNotFoundError:
            continue
    return "not installed"

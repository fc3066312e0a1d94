"""A torch net as an ONNX file: exported, stripped, quantised, compared with the net it came from."""

import time
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static
from onnxruntime.quantization.shape_inference import quant_pre_process
from torch import nn

from edge.engines.onnx_engine import OnnxEngine
from edge.errors import M3erError

Sample = dict[str, NDArray[Any]]
"""One input of a net: arrays by name, with a leading batch of 1."""


def write_onnx(net: nn.Module, samples: list[Sample], outputs: list[str], path: Path) -> None:
    """Export for batch 1 (opset 18) and strip what the exporter notes down: half of a small file."""
    example = tuple(torch.from_numpy(array) for array in samples[0].values())
    program = torch.onnx.export(
        net.eval(),
        example,
        dynamo=True,
        input_names=list(samples[0]),
        output_names=outputs,
        opset_version=18,
        verbose=False,
    )
    assert program is not None
    program.save(str(path), external_data=False)
    model = onnx.load(str(path))
    graph = model.graph
    for item in [*graph.node, *graph.value_info, *graph.input, *graph.output, *graph.initializer]:
        del item.metadata_props[:]
        item.doc_string = ""
    del model.metadata_props[:]
    del graph.metadata_props[:]
    onnx.checker.check_model(model)
    onnx.save(model, str(path))


class _Calibration(CalibrationDataReader):  # type: ignore[misc]
    def __init__(self, samples: list[Sample]) -> None:
        self._left = iter(samples)

    def get_next(self) -> Sample | None:
        return next(self._left, None)


def write_int8(fp32: Path, samples: list[Sample], path: Path) -> None:
    """Static QDQ, per channel, unsigned activations and signed weights, calibrated on real inputs."""
    prepared = path.with_suffix(".prepared")
    # shapes are static, and the symbolic pass fails on the text net's concatenation
    quant_pre_process(str(fp32), str(prepared), skip_symbolic_shape=True)
    quantize_static(
        str(prepared),
        str(path),
        _Calibration(samples),
        quant_format=QuantFormat.QDQ,
        per_channel=True,
        activation_type=QuantType.QUInt8,
        weight_type=QuantType.QInt8,
    )
    prepared.unlink()


def torch_outputs(net: nn.Module, samples: list[Sample]) -> NDArray[np.float32]:
    """First output of the torch net for each sample, (n, …)."""
    with torch.no_grad():
        rows = [net(*(torch.from_numpy(array) for array in sample.values())) for sample in samples]
    return np.stack([(row[0] if isinstance(row, tuple) else row).numpy()[0] for row in rows])


def file_outputs(path: Path, samples: list[Sample]) -> NDArray[np.float32]:
    """First output of the file for each sample, (n, …)."""
    engine = OnnxEngine(path)
    return np.stack([next(iter(engine.run(sample).values()))[0] for sample in samples])


def parity(reference: NDArray[np.float32], outputs: NDArray[np.float32]) -> dict[str, float]:
    """Centred cosine per sample (worst, median) and the greatest absolute difference over the reference's spread.

    Raises M3erError if the outputs hold NaN.
    """
    if not np.isfinite(outputs).all():
        raise M3erError("a converted net answers NaN")
    centre = reference.mean(axis=0)
    a, b = reference - centre, outputs - centre
    cosine = (a * b).sum(axis=1) / np.maximum(np.linalg.norm(a, axis=1) * np.linalg.norm(b, axis=1), 1e-9)
    return {
        "cosine_worst": round(float(cosine.min()), 5),
        "cosine_median": round(float(np.median(cosine)), 5),
        "error_over_spread": round(float(np.abs(a - b).max() / max(float(reference.std()), 1e-9)), 6),
    }


def time_ratio(path: Path, against: Path, samples: list[Sample], rounds: int = 7) -> float:
    """Median time of `path` over that of `against`, taken in turns on one thread; below 1 is faster."""
    engines = [OnnxEngine(path), OnnxEngine(against)]
    taken: list[list[float]] = [[], []]
    for _ in range(rounds + 2):
        for engine, times in zip(engines, taken, strict=True):
            begin = time.perf_counter()
            for sample in samples[:100]:
                engine.run(sample)
            times.append(time.perf_counter() - begin)
    one, other = (float(np.median(times[2:])) for times in taken)
    return one / other

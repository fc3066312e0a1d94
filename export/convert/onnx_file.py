"""A torch net as an ONNX file: exported, stripped, quantised."""

from pathlib import Path

import numpy as np
import onnx
import torch
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_dynamic, quantize_static
from onnxruntime.quantization.shape_inference import quant_pre_process
from torch import nn

from export.convert.quiet import quiet
from export.convert.sample import Sample


def write_onnx(net: nn.Module, samples: list[Sample], outputs: list[str], path: Path) -> None:
    """Export for batch 1 (opset 18) and strip what the exporter notes down: half of a small file."""
    example = tuple(torch.from_numpy(array) for array in samples[0].values())
    with quiet():
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
    _multiply_squares(graph)
    onnx.checker.check_model(model)
    onnx.save(model, str(path))


def _multiply_squares(graph: onnx.GraphProto) -> None:
    """x² as a product: onnxruntime calls pow() for every number, a fifth of the speech net's time."""
    stored = {weight.name: weight for weight in graph.initializer}
    for node in graph.node:
        exponent = stored.get(node.input[1]) if node.op_type == "Pow" else None
        if exponent is not None and (onnx.numpy_helper.to_array(exponent) == 2).all():
            node.op_type, node.input[1] = "Mul", node.input[0]
    used = {name for node in graph.node for name in node.input}
    kept = [weight for weight in graph.initializer if weight.name in used]
    del graph.initializer[:]
    graph.initializer.extend(kept)


class _Calibration(CalibrationDataReader):  # type: ignore[misc]
    def __init__(self, samples: list[Sample]) -> None:
        self._left = iter(samples)

    def get_next(self) -> Sample | None:
        return next(self._left, None)


def write_onnx_int8(fp32: Path, samples: list[Sample], path: Path) -> None:
    """Convolutions in static int8, calibrated; nets without them: int8 weights, activations as they come.

    Static int8 takes from the fusion step what it remembers (worst cosine .62, with gates in float .87 to .92): a
    memory begins at 0, and a range that fits its later values leaves the first ones no digits.
    """
    prepared = path.with_suffix(".prepared")
    try:
        if any(node.op_type == "Conv" for node in onnx.load(str(fp32)).graph.node):
            _write_static(fp32, samples, prepared, path)
        else:
            _write_dynamic(fp32, prepared, path)
    finally:
        prepared.unlink(missing_ok=True)


def _write_static(fp32: Path, samples: list[Sample], prepared: Path, path: Path) -> None:
    """QDQ, per channel, unsigned activations and signed weights, calibrated on real inputs."""
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


def _write_dynamic(fp32: Path, prepared: Path, path: Path) -> None:
    """Matrix products with int8 weights, per channel; the range of what they are given is measured at every run."""
    model = onnx.load(str(fp32))
    stored = {weight.name: weight for weight in model.graph.initializer}
    for node in model.graph.node:
        for attribute in node.attribute:
            # onnxruntime turns a transposed weight itself, forgets its shape, and fails
            if node.op_type == "Gemm" and attribute.name == "transB" and attribute.i and node.input[1] in stored:
                weight = stored[node.input[1]]
                turned = np.ascontiguousarray(onnx.numpy_helper.to_array(weight).T)
                weight.CopyFrom(onnx.numpy_helper.from_array(turned, weight.name))
                attribute.i = 0
    del model.graph.value_info[:]
    onnx.save(model, str(prepared))
    with quiet():
        quantize_dynamic(
            str(prepared),
            str(path),
            op_types_to_quantize=["MatMul", "Gemm"],
            per_channel=True,
            weight_type=QuantType.QInt8,
        )

"""A torch net as an ONNX file: exported, stripped, quantised."""

from pathlib import Path

import onnx
import torch
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static
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
    onnx.checker.check_model(model)
    onnx.save(model, str(path))


class _Calibration(CalibrationDataReader):  # type: ignore[misc]
    def __init__(self, samples: list[Sample]) -> None:
        self._left = iter(samples)

    def get_next(self) -> Sample | None:
        return next(self._left, None)


def write_onnx_int8(fp32: Path, samples: list[Sample], path: Path, products_only: bool | None = None) -> None:
    """Static QDQ, per channel, unsigned activations and signed weights, calibrated on real inputs.

    Args:
        products_only: leave all but matrix products in float; None: so do nets without convolutions, whose gates and
            attention lose what a recurrent net remembers (worst cosine of the fusion step .62 instead of .99).
    """
    if products_only is None:
        products_only = not any(node.op_type == "Conv" for node in onnx.load(str(fp32)).graph.node)
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
        op_types_to_quantize=["MatMul", "Gemm"] if products_only else None,
    )
    prepared.unlink()

"""Which precision of a net goes into the bundle: int8 where that is right and not slower."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from torch import nn

from edge.errors import M3erError
from export.convert.onnx_file import (
    Sample,
    file_outputs,
    parity,
    time_ratio,
    torch_outputs,
    write_int8,
    write_onnx,
)

_SAME = 0.9999
"""Least worst-sample cosine of a float file with the torch net: they are the same arithmetic."""
_RIGHT = 0.98
"""Least median cosine of an int8 file with the torch net; its worst sample must reach _RIGHT_WORST."""
_RIGHT_WORST = 0.9


@dataclass(frozen=True)
class Chosen:
    """The file that was kept, and how it compares."""

    path: Path
    precision: Literal["fp32", "int8"]
    parity: dict[str, float]


def convert(
    name: str,
    net: nn.Module,
    calibration: list[Sample],
    validation: list[Sample],
    outputs: list[str],
    folder: Path,
) -> Chosen:
    """Write ``<name>.onnx.<precision>.onnx`` into `folder`: one file, the better of float and int8 on this machine.

    Raises M3erError if the float file does not answer as the torch net does.
    """
    fp32, int8 = folder / f"{name}.onnx.fp32.onnx", folder / f"{name}.onnx.int8.onnx"
    write_onnx(net, calibration, outputs, fp32)
    truth = torch_outputs(net, validation)
    float_parity = parity(truth, file_outputs(fp32, validation))
    if float_parity["cosine_worst"] < _SAME:
        raise M3erError(f"{fp32.name}: does not answer as the torch net does: {float_parity}")
    write_int8(fp32, calibration, int8)
    int8_parity = parity(truth, file_outputs(int8, validation))
    ratio = time_ratio(int8, fp32, validation)
    right = int8_parity["cosine_median"] >= _RIGHT and int8_parity["cosine_worst"] >= _RIGHT_WORST
    int8_parity["time_over_fp32"] = round(ratio, 3)
    print(f"{name}: fp32 {float_parity}, int8 {int8_parity}")
    if right and ratio <= 1.0:
        fp32.unlink()
        return Chosen(int8, "int8", int8_parity)
    int8.unlink()
    return Chosen(
        fp32,
        "fp32",
        {
            **float_parity,
            "int8_time_over_fp32": round(ratio, 3),
            "int8_cosine_median": int8_parity["cosine_median"],
        },
    )

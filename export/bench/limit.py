"""How near each net comes to what this core can do, and where the rest goes."""

import json
import tempfile
from collections import defaultdict
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import torch
from numpy.typing import NDArray

from edge.bench.net_times import likely_inputs
from edge.bench.timing import interleaved
from edge.bundle import NETS, Bundle
from edge.engines.engine import Engine, EngineName, Precision, open_engine
from export.bench.record import Peak, Reached, Where
from export.convert.onnx_file import write_onnx, write_onnx_int8
from export.convert.quiet import quiet
from export.convert.tflite_file import quantise, static_recipe, write_tflite

_SIDE, _ROWS = 1024, 256
"""A product large enough that nothing but arithmetic counts: (_ROWS, _SIDE) times (_SIDE, _SIDE)."""
_COPIED_BYTES = 64_000_000
_KINDS: tuple[tuple[EngineName, Precision], ...] = (
    ("onnx", "fp32"),
    ("onnx", "int8"),
    ("litert", "fp32"),
    ("litert", "int8"),
)


def limits(bundle: Bundle, rounds: int = 20) -> tuple[list[Peak], list[Reached], float]:
    """The core's peaks through the same engines, each net's share of them, and gigabytes copied a second."""
    calls: dict[str, Callable[[], object]] = {}
    with tempfile.TemporaryDirectory() as scratch:
        for size, name in ((_SIDE, "peak"), (8, "nothing")):
            for kind, engine in _products(Path(scratch), size, _ROWS if name == "peak" else 1).items():
                x = np.random.default_rng(0).normal(size=(_ROWS if name == "peak" else 1, size)).astype(np.float32)
                calls[f"{name} {kind}"] = partial(engine.run, {"x": x})
        for net in NETS:
            for variant in bundle.variants(net):
                engine = open_engine(bundle.path(variant))
                calls[variant.file] = partial(engine.run, likely_inputs(bundle, variant))
        block = np.ones(_COPIED_BYTES, np.uint8)
        other = np.empty_like(block)
        calls["copy"] = lambda: np.copyto(other, block)
        timed = interleaved(calls, rounds)
    gmac_per_s = {kind: _ROWS * _SIDE * _SIDE / timed[f"peak {kind}"].cpu_us / 1e3 for kind in _KINDS}
    reached = []
    for net in NETS:
        macs, weights = work(bundle.path(bundle.net(net, "onnx", "fp32")))
        for variant in bundle.variants(net):
            kind = (variant.engine, variant.precision)
            cpu_us = timed[variant.file].cpu_us
            reached.append(
                Reached(
                    net=net,
                    engine=variant.engine,
                    precision=variant.precision,
                    macs=macs,
                    weight_bytes=weights * (4 if variant.precision == "fp32" else 1),
                    cpu_us=cpu_us,
                    of_peak=macs / cpu_us / 1e3 / gmac_per_s[kind],
                    call_us=timed[f"nothing {kind}"].cpu_us,
                )
            )
    peaks = [Peak(engine=e, precision=p, gmac_per_s=gmac_per_s[e, p]) for e, p in _KINDS]
    return peaks, reached, 2 * _COPIED_BYTES / timed["copy"].cpu_us / 1e3


def _products(folder: Path, side: int, rows: int) -> dict[tuple[EngineName, Precision], Engine]:
    """One matrix product through each engine, in float and int8 with int8 activations."""
    torch.manual_seed(0)
    net = torch.nn.Linear(side, side, bias=False)
    samples = [{"x": np.random.default_rng(n).normal(size=(rows, side)).astype(np.float32)} for n in range(4)]
    paths = {kind: folder / f"{side}.{kind[1]}.{'onnx' if kind[0] == 'onnx' else 'tflite'}" for kind in _KINDS}
    write_onnx(net, samples, ["y"], paths["onnx", "fp32"])
    write_onnx_int8(paths["onnx", "fp32"], samples, paths["onnx", "int8"])
    write_tflite(net, samples, ["y"], paths["litert", "fp32"])
    with quiet():
        quantise(paths["litert", "fp32"], static_recipe(), samples, paths["litert", "int8"])
    return {kind: open_engine(path) for kind, path in paths.items()}


def work(path: Path) -> tuple[int, int]:
    """Multiply-accumulates of one run of a float ONNX net, and how many weights it reads (of a table: the rows)."""
    graph = onnx.shape_inference.infer_shapes(onnx.load(str(path))).graph
    shape = {
        value.name: [d.dim_value for d in value.type.tensor_type.shape.dim]
        for value in [*graph.value_info, *graph.input, *graph.output]
    }
    shape |= {weight.name: list(weight.dims) for weight in graph.initializer}
    stored = {weight.name for weight in graph.initializer}
    macs = weights = 0
    for node in graph.node:
        out = int(np.prod(shape[node.output[0]])) if node.output[0] in shape else 0
        if node.op_type == "Conv":
            macs += out * int(np.prod(shape[node.input[1]][1:]))
        elif node.op_type == "MatMul":
            macs += out * shape[node.input[0]][-1]
        elif node.op_type == "Gemm":
            transposed = next((a.i for a in node.attribute if a.name == "transA"), 0)
            macs += out * shape[node.input[0]][-2 if transposed else -1]
        if node.op_type in ("Conv", "MatMul", "Gemm"):
            weights += sum(int(np.prod(shape[name])) for name in node.input if name in stored)
        elif node.op_type == "Gather" and node.input[0] in stored:
            weights += out
    return macs, weights


def where(bundle: Bundle, runs: int = 300) -> list[Where]:
    """Which operations an ONNX file's time goes to, by onnxruntime's own profiler."""
    return [
        Where(
            net=net,
            precision=variant.precision,
            shares=_profiled(bundle.path(variant), likely_inputs(bundle, variant), runs),
        )
        for net in NETS
        for variant in bundle.variants(net)
        if variant.engine == "onnx"
    ]


def _profiled(path: Path, inputs: dict[str, NDArray[np.float32]], runs: int) -> dict[str, float]:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 3
    options.enable_profiling = True
    with tempfile.TemporaryDirectory() as scratch:
        options.profile_file_prefix = str(Path(scratch) / "profile")
        session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        for _ in range(runs):
            session.run(None, inputs)
        events = json.loads(Path(session.end_profiling()).read_text(encoding="utf-8"))
    took: dict[str, float] = defaultdict(float)
    whole = 0.0
    for event in events:
        if event.get("cat") == "Node" and event["name"].endswith("_kernel_time"):
            took[event["args"]["op_name"]] += event["dur"]
        elif event["name"] == "model_run":
            whole += event["dur"]
    took["between operations"] = max(0.0, whole - sum(took.values()))
    ordered = sorted(took.items(), key=lambda item: -item[1])
    return {name: round(us / whole, 4) for name, us in ordered}

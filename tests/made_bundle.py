"""Tiny but complete bundles, made in a test's own folder in a few milliseconds: no torch, no training."""

import hashlib
import json
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from edge.bundle import MANIFEST, NETS, NetName, NetVariant
from edge.m3er.tables import Tables
from edge.perceive.face_crop import CROP_SIZE_PX
from edge.perceive.log_mel import MEL_BINS, SETTINGS, WINDOW_FRAMES
from edge.perceive.tokens import TOKENS, Vocabulary
from edge.reading import MODALITIES
from export.bench import made_tables
from export.bundle_writer import write_bundle

DIM = 8
LABELS = ["anger", "happy", "neutral", "sad"]
STATE = {"hidden": 6, "cell": 6, "memory": 5}
WORDS = ("hello", "robot", "don't", "happy")

_INPUTS: dict[NetName, dict[str, list[int]]] = {
    "face": {"face": [1, 1, CROP_SIZE_PX, CROP_SIZE_PX]},
    "speech": {"log_mel": [1, 1, WINDOW_FRAMES, MEL_BINS]},
    "text": {"tokens": [1, TOKENS]},
    "fusion": {**{m: [1, DIM] for m in MODALITIES}, **{name: [1, size] for name, size in STATE.items()}},
}


def random_tables(rng: np.random.Generator, dim: int = DIM, r: int = 3, rows: int = 12) -> Tables:
    """Small tables of random numbers that are right in form."""
    return made_tables.random_tables(rng, dim, r, rows)


def manifest_values(name: str = "tiny") -> dict[str, Any]:
    """What :func:`export.bundle_writer.write_bundle` wants to be told about the nets of :func:`write_nets`."""
    return {
        "name": name,
        "labels": LABELS,
        "dim": DIM,
        "hop_s": 0.5,
        "check_window_steps": 4,
        "minimum_quality": 0.3,
        "neighbours": 4,
        "ridge": 1.0,
        "unknown_below": 0.25,
        "log_mel": SETTINGS,
        "face_side": CROP_SIZE_PX,
        "tokens": TOKENS,
        "state": STATE,
        "nets": [
            NetVariant(net=net, engine="onnx", precision="fp32", file=f"nets/{_file(net)}", inputs=_INPUTS[net])
            for net in NETS
        ],
        "data": [],
        "metrics": {},
    }


def write_nets(folder: Path, rng: np.random.Generator) -> None:
    """The four nets with random weights, in `folder`, which is made if need be. Features lie in (-1, 1)."""
    folder.mkdir(exist_ok=True)
    for net in ("face", "speech"):
        _write_net(folder, net, ["feature"], [[1, DIM]], _picture_nodes(_INPUTS[net]), _picture_weights(rng))
    text_weights = {"weights": rng.normal(0.0, 0.2, (TOKENS, DIM))}
    text_nodes = [
        helper.make_node("Cast", ["tokens"], ["numbers"], to=TensorProto.FLOAT),
        helper.make_node("MatMul", ["numbers", "weights"], ["raw"]),
        helper.make_node("Tanh", ["raw"], ["feature"]),
    ]
    _write_net(folder, "text", ["feature"], [[1, DIM]], text_nodes, text_weights)
    outputs = ["joint_logits", "modality_logits", *(f"next_{name}" for name in STATE)]
    shapes = [[1, len(LABELS)], [1, len(MODALITIES), len(LABELS)], *([1, size] for size in STATE.values())]
    _write_net(folder, "fusion", outputs, shapes, _fusion_nodes(), _fusion_weights(rng))


def write_random_bundle(folder: Path, rng: np.random.Generator) -> Path:
    """A bundle at `folder` that opens and runs; returns `folder`."""
    with tempfile.TemporaryDirectory() as scratch:
        nets = Path(scratch)
        write_nets(nets, rng)
        vocabulary = Vocabulary.of_words(WORDS)
        write_bundle(folder, nets, random_tables(rng), vocabulary, "# A card\n", manifest_values())
    return folder


def _file(net: str) -> str:
    return f"{net}.onnx.fp32.onnx"


def _picture_weights(rng: np.random.Generator) -> dict[str, NDArray[np.generic]]:
    assert CROP_SIZE_PX == MEL_BINS  # one shape of weights serves both nets
    return {"weights": rng.normal(0.0, 0.5, (MEL_BINS, DIM)), "axes": np.array([1, 2])}


def _picture_nodes(inputs: Mapping[str, Sequence[int]]) -> list[onnx.NodeProto]:
    (name,) = inputs
    return [
        helper.make_node("MatMul", [name, "weights"], ["lines"]),
        helper.make_node("ReduceMean", ["lines", "axes"], ["raw"], keepdims=0),
        helper.make_node("Tanh", ["raw"], ["feature"]),
    ]


def _fusion_weights(rng: np.random.Generator) -> dict[str, NDArray[np.generic]]:
    hidden, memory, classes = STATE["hidden"], STATE["memory"], len(LABELS)
    return {
        "to_hidden": rng.normal(0.0, 0.5, (len(MODALITIES) * DIM + hidden, hidden)),
        "to_memory": rng.normal(0.0, 0.5, (hidden, memory)),
        "to_joint": rng.normal(0.0, 1.0, (hidden + memory, classes)),
        "to_own": rng.normal(0.0, 1.0, (hidden, len(MODALITIES) * classes)),
        "own_shape": np.array([1, len(MODALITIES), classes]),
        "half": np.array([0.5]),
    }


def _fusion_nodes() -> list[onnx.NodeProto]:
    """A recurrent net of the right form: what is remembered halves at every step."""
    return [
        helper.make_node("Concat", [*MODALITIES, "hidden"], ["seen"], axis=1),
        helper.make_node("MatMul", ["seen", "to_hidden"], ["pushed"]),
        helper.make_node("Tanh", ["pushed"], ["next_hidden"]),
        helper.make_node("Add", ["cell", "next_hidden"], ["cell_twice"]),
        helper.make_node("Mul", ["cell_twice", "half"], ["next_cell"]),
        helper.make_node("MatMul", ["next_cell", "to_memory"], ["noted"]),
        helper.make_node("Add", ["memory", "noted"], ["memory_twice"]),
        helper.make_node("Mul", ["memory_twice", "half"], ["next_memory"]),
        helper.make_node("Concat", ["next_hidden", "next_memory"], ["known"], axis=1),
        helper.make_node("MatMul", ["known", "to_joint"], ["joint_logits"]),
        helper.make_node("MatMul", ["next_hidden", "to_own"], ["own"]),
        helper.make_node("Reshape", ["own", "own_shape"], ["modality_logits"]),
    ]


def _write_net(
    folder: Path,
    net: NetName,
    outputs: list[str],
    output_shapes: list[list[int]],
    nodes: list[onnx.NodeProto],
    weights: Mapping[str, NDArray[np.generic]],
) -> None:
    element = TensorProto.INT32 if net == "text" else TensorProto.FLOAT
    stored = [
        numpy_helper.from_array(array.astype(np.int64 if array.dtype.kind == "i" else np.float32), name)
        for name, array in weights.items()
    ]
    graph = helper.make_graph(
        nodes,
        net,
        [helper.make_tensor_value_info(name, element, shape) for name, shape in _INPUTS[net].items()],
        [
            helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)
            for name, shape in zip(outputs, output_shapes, strict=True)
        ],
        stored,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    onnx.checker.check_model(model)
    onnx.save(model, str(folder / _file(net)))


def edit_manifest(folder: Path, edit: Callable[[dict[str, Any]], object]) -> None:
    """The manifest as `edit` leaves it."""
    manifest = json.loads((folder / MANIFEST).read_text())
    edit(manifest)
    (folder / MANIFEST).write_text(json.dumps(manifest))


def replace_file(folder: Path, name: str, content: bytes) -> None:
    """Another file, with the manifest's size and checksum made to fit, so that what reads it must judge it."""
    (folder / name).write_bytes(content)
    entry = {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
    edit_manifest(folder, lambda manifest: manifest["files"].update({name: entry}))

"""Each rule of the converters, broken on purpose: garbage without any error, which the comparison sees.

The nets are ours with random weights, and a file is judged by the gate that every shipped file passes through.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.interpreter import Interpreter
from ai_edge_quantizer.recipe_manager import RecipeManager
from ai_edge_quantizer.utils import qsv_utils
from torch import nn

from edge.engines.engine import open_engine
from edge.errors import M3erError
from edge.perceive.tokens import PAD, TOKENS
from edge.reading import MODALITIES
from export.convert import onnx_file, tflite_file
from export.convert.parity import Proof, TorchEngine, observe, parity
from export.convert.quiet import quiet
from export.convert.sample import Sample
from export.convert.variants import failures
from export.nets.encoder import DIM
from export.nets.face import FaceEncoder
from export.nets.fusion import STATE_SIZES, FusionStep
from export.nets.speech import SpeechEncoder
from export.nets.text import EMBEDDING, TextEncoder

VOCABULARY = 3000
CALIBRATION = 60


@dataclass(frozen=True)
class Case:
    """A net, its TFLite files by our rules, and inputs: the first are for calibration, the rest to be judged by."""

    net: nn.Module
    fp32: Path
    int8: Path
    samples: list[Sample]
    outputs: list[str]

    @property
    def calibration(self) -> list[Sample]:
        return self.samples[:CALIBRATION]

    @property
    def proof(self) -> Proof:
        """Of answers alone: a random net tells no classes and is good for nothing."""
        return Proof(self.samples[CALIBRATION:], lambda _: np.zeros(1, np.int64), "nothing", lambda _: 1.0)

    def refused(self, path: Path, reference: Path | None = None) -> list[str]:
        """Why a file is not shipped, in words; empty if it is right.

        Args:
            reference: the float file that an int8 file was made of; None: `path` is a float file of the torch net.
        """
        torch_net = TorchEngine(self.net, list(self.samples[0]), self.outputs)
        truth = observe(open_engine(reference) if reference else torch_net, self.proof)
        try:
            found = parity(truth, observe(open_engine(path), self.proof), self.proof)
        except M3erError as error:
            return [str(error)]
        return failures(found, "int8" if reference else "fp32")


def _case(folder: Path, net: nn.Module, samples: list[Sample], outputs: list[str]) -> Case:
    """Converted, its batch norms told what they would see; more of this net's variety then reaches the output."""
    norms = [m for m in net.eval().modules() if isinstance(m, nn.BatchNorm2d)]
    for norm in norms:
        norm.train().momentum = None
    if norms:
        with torch.no_grad():
            net(torch.from_numpy(np.concatenate([next(iter(s.values())) for s in samples[:32]])))
    case = Case(net.eval(), folder / "fp32.tflite", folder / "int8.tflite", samples, outputs)
    tflite_file.write_tflite(net, samples, outputs, case.fp32)
    tflite_file.write_tflite_int8(case.fp32, case.calibration, case.int8)
    return case


@pytest.fixture(scope="module")
def face(tmp_path_factory: pytest.TempPathFactory) -> Case:
    """Now and then a sample is eight times as loud; of those for calibration, one."""
    torch.manual_seed(0)
    rng = np.random.default_rng(0)
    loud = [1.0] * 40 + [8.0] + [1.0] * 60 + [8.0] * 20
    samples: list[Sample] = [{"face": (gain * rng.normal(size=(1, 1, 48, 48))).astype(np.float32)} for gain in loud]
    return _case(tmp_path_factory.mktemp("face"), FaceEncoder(), samples, ["feature"])


@pytest.fixture(scope="module")
def speech(tmp_path_factory: pytest.TempPathFactory) -> Case:
    """Attention as peaked as a trained net's."""
    torch.manual_seed(0)
    rng = np.random.default_rng(0)
    net = SpeechEncoder()
    with torch.no_grad():
        net.get_parameter("body.attention.weight").mul_(3.0)
    return _case(tmp_path_factory.mktemp("speech"), net, [_syllables(rng) for _ in range(160)], ["feature"])


def _syllables(rng: np.random.Generator) -> Sample:
    """Log-mel of up to eleven sounds in noise."""
    x = rng.normal(-0.8, 0.05, (300, 48))
    time, bin_ = np.arange(300)[:, None], np.arange(48)
    for _ in range(rng.integers(0, 12)):
        when, long = rng.uniform(0, 300), rng.uniform(4, 20)
        where, wide = rng.uniform(0, 48), rng.uniform(3, 12)
        x += rng.uniform(0.5, 1.8) * np.exp(-(((time - when) / long) ** 2) - ((bin_ - where) / wide) ** 2)
    return {"log_mel": x.clip(-1, 1.2).astype(np.float32)[None, None]}


@pytest.fixture(scope="module")
def text(tmp_path_factory: pytest.TempPathFactory) -> Case:
    torch.manual_seed(0)
    rng = np.random.default_rng(0)
    samples: list[Sample] = []
    for _ in range(120):
        spoken = np.arange(TOKENS) < rng.integers(1, TOKENS + 1)
        samples.append({"tokens": np.where(spoken, rng.integers(2, VOCABULARY, (1, TOKENS)), PAD).astype(np.int32)})
    return _case(tmp_path_factory.mktemp("text"), TextEncoder(VOCABULARY), samples, ["feature"])


@pytest.fixture(scope="module")
def fusion(tmp_path_factory: pytest.TempPathFactory) -> Case:
    """With the states that it really reaches, and weights large enough that the memory moves."""
    torch.manual_seed(0)
    rng = np.random.default_rng(0)
    net = FusionStep(7).eval()
    samples: list[Sample] = []
    state = {name: torch.zeros(1, size) for name, size in STATE_SIZES.items()}
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.mul_(2.0)
        for _ in range(200):
            seen = {m: torch.from_numpy(rng.normal(size=(1, DIM)).astype(np.float32)) for m in MODALITIES}
            samples.append({name: values.numpy() for name, values in (*seen.items(), *state.items())})
            state = dict(zip(STATE_SIZES, net(*seen.values(), *state.values())[2:], strict=True))
    outputs = ["joint_logits", "modality_logits", *(f"next_{name}" for name in STATE_SIZES)]
    return _case(tmp_path_factory.mktemp("fusion"), net, samples, outputs)


@pytest.fixture(scope="module")
def fusion_onnx(fusion: Case) -> Path:
    path = fusion.fp32.with_name("fp32.onnx")
    onnx_file.write_onnx(fusion.net, fusion.samples, fusion.outputs, path)
    return path


@pytest.mark.parametrize("name", ["face", "speech", "text", "fusion"])
def test_float_and_int8_files_by_our_rules_pass(name: str, request: pytest.FixtureRequest) -> None:
    case: Case = request.getfixturevalue(name)
    assert case.refused(case.fp32) == []
    assert case.refused(case.int8, case.fp32) == []


def test_a_depthwise_convolution_in_dynamic_int8_with_one_scale_answers_garbage(face: Case, tmp_path: Path) -> None:
    """The converter makes one of every convolution of a single channel: the first of face and speech.

    Scales of further channels are read from whatever lies behind the first: NaN in one process, numbers in the next.
    """
    recipe = RecipeManager()
    for operation in ("CONV_2D", "DEPTHWISE_CONV_2D"):
        tflite_file.add_dynamic(recipe, operation, "TENSORWISE")
    with quiet():
        tflite_file.quantise(face.fp32, recipe, face.calibration, tmp_path / "int8.tflite")
    assert face.refused(tmp_path / "int8.tflite", face.fp32)


def test_the_default_calibration_clips_what_is_rare(
    face: Case, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(qsv_utils, "min_max_update", qsv_utils.moving_average_update)
    tflite_file.write_tflite_int8(face.fp32, face.calibration, tmp_path / "int8.tflite")
    assert "cosine_worst" in " ".join(face.refused(tmp_path / "int8.tflite", face.fp32))


def test_a_division_in_int8_answers_garbage_now_and_then(
    speech: Case, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A numerator of one step over 32 and more underflows, and comes out as the greatest quotient that there is."""
    monkeypatch.setattr(tflite_file, "POOLING", tuple(name for name in tflite_file.POOLING if name != "DIV"))
    tflite_file.write_tflite_int8(speech.fp32, speech.calibration, tmp_path / "int8.tflite")
    (why,) = speech.refused(tmp_path / "int8.tflite", speech.fp32)
    assert why.startswith("cosine_worst")  # the median says nothing


def test_static_int8_alone_leaves_the_embedding_in_float(
    text: Case, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tflite_file, "add_dynamic", lambda *_: None)
    tflite_file.write_tflite_int8(text.fp32, text.calibration, tmp_path / "int8.tflite")
    assert (tmp_path / "int8.tflite").stat().st_size > VOCABULARY * EMBEDDING * 4
    assert text.int8.stat().st_size < 0.3 * text.fp32.stat().st_size


@pytest.mark.parametrize("name", ["text", "fusion"])
def test_dynamic_weights_have_one_scale_a_tensor(name: str, request: pytest.FixtureRequest, tmp_path: Path) -> None:
    """More than one is garbage in tflite-runtime 2.14 alone; tests/test_old_tflite_runtime.py shows it."""
    case: Case = request.getfixturevalue(name)
    operation = "EMBEDDING_LOOKUP" if name == "text" else "FULLY_CONNECTED"
    recipe = RecipeManager()
    tflite_file.add_dynamic(recipe, operation, "CHANNELWISE")
    with quiet():
        tflite_file.quantise(case.fp32, recipe, case.calibration, tmp_path / "int8.tflite")
    assert set(_scales(case.int8, operation)) == {1}
    assert min(_scales(tmp_path / "int8.tflite", operation)) > 1


def _scales(path: Path, operation: str) -> Iterator[int]:
    """How many scales the weights of each such operation have; 0: they are in float."""
    model = schema.ModelT.InitFromPackedBuf(path.read_bytes(), 0)
    (graph,) = model.subgraphs
    for node in graph.operators:
        if model.operatorCodes[node.opcodeIndex].builtinCode == getattr(schema.BuiltinOperator, operation):
            weights = graph.tensors[node.inputs[1]]
            yield len(weights.quantization.scale) if weights.type == schema.TensorType.INT8 else 0


def test_a_recurrent_step_keeps_all_but_its_products_in_float_in_tflite(fusion: Case, tmp_path: Path) -> None:
    with quiet():
        tflite_file.quantise(fusion.fp32, tflite_file.static_recipe(), fusion.calibration, tmp_path / "int8.tflite")
    assert not tflite_file.operations(fusion.int8) & {"QUANTIZE", "DEQUANTIZE"}
    assert tflite_file.operations(tmp_path / "int8.tflite") >= {"QUANTIZE", "DEQUANTIZE"}


def test_a_recurrent_step_keeps_all_but_its_products_in_float_in_onnx(
    fusion: Case, fusion_onnx: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def static(fp32: Path, prepared: Path, path: Path) -> None:
        onnx_file._write_static(fp32, fusion.calibration, prepared, path)

    ours, broken = tmp_path / "ours.onnx", tmp_path / "broken.onnx"
    onnx_file.write_onnx_int8(fusion_onnx, fusion.calibration, ours)
    monkeypatch.setattr(onnx_file, "_write_dynamic", static)
    onnx_file.write_onnx_int8(fusion_onnx, fusion.calibration, broken)
    assert fusion.refused(ours, fusion_onnx) == []
    assert fusion.refused(broken, fusion_onnx)
    found = {node.op_type for node in onnx.load(str(ours)).graph.node}
    assert found >= {"MatMulInteger", "Sigmoid", "Tanh", "Softmax"}
    assert not found & {"MatMul", "Gemm", "QuantizeLinear"}


def test_what_the_exporter_notes_down_is_stripped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    exported: list[bytes] = []

    def watched(path: str) -> Any:
        exported.append(Path(path).read_bytes())
        return onnx.load_from_string(exported[0])

    monkeypatch.setattr("export.convert.onnx_file.onnx.load", watched)
    net = nn.Sequential(nn.Linear(8, 8), nn.ReLU(), nn.Linear(8, 4))
    onnx_file.write_onnx(net, [{"x": np.zeros((1, 8), np.float32)}], ["y"], tmp_path / "fp32.onnx")
    ours = (tmp_path / "fp32.onnx").read_bytes()
    assert len(_notes(exported[0])) > 10
    assert _notes(ours) == []
    assert len(ours) < len(exported[0]) / 2


def _notes(content: bytes) -> list[str]:
    return re.findall(r"metadata_props \{|doc_string: \"[^\"]", str(onnx.load_from_string(content)))


def test_tokens_stay_int32_in_every_file(text: Case, tmp_path: Path) -> None:
    fp32, int8 = tmp_path / "fp32.onnx", tmp_path / "int8.onnx"
    onnx_file.write_onnx(text.net, text.samples, text.outputs, fp32)
    onnx_file.write_onnx_int8(fp32, text.calibration, int8)
    for path in (fp32, int8):
        assert [put.type for put in onnxruntime.InferenceSession(str(path)).get_inputs()] == ["tensor(int32)"]
    for path in (text.fp32, text.int8):
        assert [put["dtype"] for put in Interpreter(model_path=str(path)).get_input_details()] == [np.int32]


def test_inputs_and_outputs_keep_their_names_in_every_file(fusion: Case, fusion_onnx: Path, tmp_path: Path) -> None:
    """That each name is still the same tensor's, the comparison with the torch net says."""
    onnx_file.write_onnx_int8(fusion_onnx, fusion.calibration, tmp_path / "int8.onnx")
    for path in (fusion.fp32, fusion.int8, fusion_onnx, tmp_path / "int8.onnx"):
        engine = open_engine(path)
        assert set(engine.inputs) == set(fusion.samples[0])
        assert set(engine.run(fusion.samples[0])) == set(fusion.outputs)
    assert fusion.refused(fusion_onnx) == []

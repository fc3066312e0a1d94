"""Conversion: what answers differently from the net it was made of is refused, not shipped."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from numpy.typing import NDArray

from edge.bundle import NetVariant
from edge.engines.engine import Arrays, Engine, EngineName, Precision, open_engine
from edge.errors import M3erError
from export.convert import variants
from export.convert.onnx_file import write_onnx
from export.convert.parity import Observed, Proof, TorchEngine, centred_cosine, observe, parity
from export.convert.sample import Sample

_RNG = np.random.default_rng(0)
_ALL = {("onnx", "fp32"), ("onnx", "int8"), ("litert", "fp32"), ("litert", "int8")}


def _samples(count: int) -> list[Sample]:
    return [{"x": _RNG.normal(size=(1, 12)).astype(np.float32)} for _ in range(count)]


def _net() -> torch.nn.Module:
    torch.manual_seed(0)
    return torch.nn.Sequential(torch.nn.Linear(12, 16), torch.nn.ReLU(), torch.nn.Linear(16, 8))


def _top1(answers: Mapping[str, NDArray[np.float32]]) -> NDArray[np.int64]:
    guess: NDArray[np.int64] = answers["feature"].argmax(axis=1)
    return guess


def _proof(score: Callable[[Engine], float] = lambda engine: 0.8) -> Proof:
    return Proof(_samples(50), _top1, "nothing", score)


def _write(folder: Path, proof: Proof | None = None) -> list[NetVariant]:
    return variants.write_variants("face", _net(), _samples(50), proof or _proof(), ["feature"], folder)


def _kinds(found: list[NetVariant]) -> set[tuple[EngineName, Precision]]:
    return {(v.engine, v.precision) for v in found}


def test_a_net_comes_in_four_variants_each_with_its_figures(tmp_path: Path) -> None:
    found = _write(tmp_path)
    assert _kinds(found) == _ALL
    assert {Path(v.file).name for v in found} == {path.name for path in tmp_path.iterdir()}
    assert {Path(v.file).name for v in found} >= {"face.onnx.fp32.onnx", "face.litert.int8.tflite"}
    for variant in found:
        assert variant.inputs == {"x": [1, 12]}
        assert set(variant.parity) == {
            "cosine_worst",
            "cosine_median",
            "error_over_spread",
            "top1_agreement",
            "score",
            "score_lost",
        }
    errors = {(v.engine, v.precision): v.parity["error_over_spread"] for v in found}
    assert errors["onnx", "int8"] > errors["onnx", "fp32"], "int8 is compared with something"


def test_the_fastest_is_listed_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Slow:
        def __init__(self, engine: Engine, s: float) -> None:
            self.engine, self.s, self.name, self.inputs = engine, s, engine.name, engine.inputs

        def run(self, inputs: Arrays) -> dict[str, NDArray[Any]]:
            for _ in range(int(self.s * 2_000)):
                self.engine.run(inputs)
            return self.engine.run(inputs)

    slowness = {"face.onnx.int8.onnx": 0, "face.litert.int8.tflite": 1, "face.litert.fp32.tflite": 2}
    monkeypatch.setattr(
        variants, "open_engine", lambda path: Slow(open_engine(path), 0.05 * slowness.get(path.name, 3))
    )
    order = [Path(v.file).name for v in _write(tmp_path)]
    assert order == [*slowness, "face.onnx.fp32.onnx"]


def _with_a_wrong_weight(net: torch.nn.Module, samples: list[Sample], outputs: list[str], path: Path) -> None:
    write_onnx(net, samples, outputs, path)
    model = onnx.load(str(path))
    weight = next(t for t in model.graph.initializer if len(t.dims) == 2)
    values = onnx.numpy_helper.to_array(weight).copy()
    values[0] = -values[0]
    weight.CopyFrom(onnx.numpy_helper.from_array(values, weight.name))
    onnx.save(model, str(path))


def test_a_float_file_with_one_wrong_weight_is_refused_and_what_is_made_of_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    _, write_int8 = variants.WRITERS["onnx"]
    monkeypatch.setitem(variants.WRITERS, "onnx", (_with_a_wrong_weight, write_int8))
    assert _kinds(_write(tmp_path)) == {("litert", "fp32"), ("litert", "int8")}
    assert {path.suffix for path in tmp_path.iterdir()} == {".tflite"}, "nothing of it is left on disk"
    assert "face.onnx.fp32.onnx: " in (said := capsys.readouterr().out) and "refused" in said


@pytest.mark.parametrize("engine", ["onnx", "litert"])
def test_a_wrongly_quantised_net_is_refused(
    engine: EngineName, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    write_float, write_int8 = variants.WRITERS[engine]

    def of_other_weights(fp32: Path, samples: list[Sample], path: Path) -> None:
        torch.manual_seed(1)
        other = torch.nn.Sequential(torch.nn.Linear(12, 16), torch.nn.ReLU(), torch.nn.Linear(16, 8))
        beside = path.with_name("other" + fp32.suffix)
        write_float(other, samples, ["feature"], beside)
        write_int8(beside, samples, path)
        beside.unlink()

    monkeypatch.setitem(variants.WRITERS, engine, (write_float, of_other_weights))
    assert _kinds(_write(tmp_path)) == _ALL - {(engine, "int8")}
    assert not [path for path in tmp_path.iterdir() if path.name.startswith(f"face.{engine}.int8")]
    assert f"face.{engine}.int8" in (said := capsys.readouterr().out) and "refused, cosine_worst" in said


def test_onnx_calibrated_on_nonsense_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_float, write_int8 = variants.WRITERS["onnx"]

    def calibrated_on_nonsense(fp32: Path, samples: list[Sample], path: Path) -> None:
        write_int8(fp32, [{"x": sample["x"] * 1e-3} for sample in samples], path)

    monkeypatch.setitem(variants.WRITERS, "onnx", (write_float, calibrated_on_nonsense))
    torch.manual_seed(0)
    net = torch.nn.Sequential(
        torch.nn.Unflatten(1, (1, 12)),
        torch.nn.Conv1d(1, 4, 3),
        torch.nn.ReLU(),
        torch.nn.Flatten(),
        torch.nn.Linear(40, 8),
    )
    found = variants.write_variants("face", net, _samples(50), _proof(), ["feature"], tmp_path)
    assert _kinds(found) == _ALL - {("onnx", "int8")}


def test_int8_that_costs_the_end_task_more_than_a_point_is_refused(tmp_path: Path) -> None:
    """However near its cosines are."""
    (sample,) = _samples(1)
    exact = TorchEngine(_net(), ["x"], ["feature"]).run(sample)["feature"]

    def score(engine: Engine) -> float:
        return 0.8 if np.allclose(engine.run(sample)["feature"], exact, atol=1e-5) else 0.785

    assert _kinds(_write(tmp_path, _proof(score))) == {("onnx", "fp32"), ("litert", "fp32")}


def test_no_right_file_at_all_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _, write_int8 = variants.WRITERS["onnx"]
    monkeypatch.setattr(variants, "WRITERS", {"onnx": (_with_a_wrong_weight, write_int8)})
    with pytest.raises(M3erError, match="no converter's file"):
        _write(tmp_path)


def test_nan_is_refused() -> None:
    class Broken:
        name, inputs = "broken", ["x"]

        def run(self, inputs: Arrays) -> dict[str, NDArray[Any]]:
            return {"feature": np.full((1, 8), np.nan, np.float32)}

    with pytest.raises(M3erError, match="NaN"):
        observe(Broken(), _proof())


def test_parity_sees_what_a_plain_cosine_hides() -> None:
    """With a large common offset every answer looks alike; centred, a shuffled one is seen."""
    reference = (100.0 + _RNG.normal(size=(50, 8))).astype(np.float32)
    assert np.median(centred_cosine(reference, np.roll(reference, 1, axis=0))) < 0.5


def test_parity_is_that_of_the_worst_output() -> None:
    net = TorchEngine(_net(), ["x"], ["feature"])
    proof = _proof()
    right = observe(net, proof)
    good = right.answers["feature"]
    reference = Observed({"feature": good, "state": good}, 0.8)
    other = Observed({"feature": good, "state": np.roll(good, 1, axis=0)}, 0.79)
    found = parity(reference, other, proof)
    assert found.cosine_median < 0.9 and found.top1_agreement == 1.0
    assert found.score_lost == pytest.approx(0.01)

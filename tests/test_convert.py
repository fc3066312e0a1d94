"""Conversion: what answers differently from the torch net is refused, not shipped."""

from pathlib import Path

import numpy as np
import onnx
import pytest
import torch

from edge.errors import M3erError
from export.convert import choose
from export.convert.onnx_file import Sample, parity
from export.convert.onnx_file import write_int8 as real_write_int8
from export.convert.onnx_file import write_onnx as real_write_onnx

_RNG = np.random.default_rng(0)


def _samples(count: int) -> list[Sample]:
    return [{"x": _RNG.normal(size=(1, 12)).astype(np.float32)} for _ in range(count)]


def _net() -> torch.nn.Module:
    torch.manual_seed(0)
    return torch.nn.Sequential(torch.nn.Linear(12, 16), torch.nn.ReLU(), torch.nn.Linear(16, 8))


def test_one_right_file_is_kept(tmp_path: Path) -> None:
    chosen = choose.convert("face", _net(), _samples(50), _samples(50), ["feature"], tmp_path)
    assert [p.name for p in tmp_path.iterdir()] == [chosen.path.name]
    assert chosen.path.name == f"face.onnx.{chosen.precision}.onnx"
    assert chosen.parity["cosine_median"] > 0.98


def test_a_float_file_with_one_wrong_weight_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def write_wrong(net: torch.nn.Module, samples: list[Sample], outputs: list[str], path: Path) -> None:
        real_write_onnx(net, samples, outputs, path)
        model = onnx.load(str(path))
        weight = next(t for t in model.graph.initializer if len(t.dims) == 2)
        values = onnx.numpy_helper.to_array(weight).copy()
        values[0] = -values[0]
        weight.CopyFrom(onnx.numpy_helper.from_array(values, weight.name))
        onnx.save(model, str(path))

    monkeypatch.setattr(choose, "write_onnx", write_wrong)
    with pytest.raises(M3erError, match="torch net"):
        choose.convert("face", _net(), _samples(50), _samples(50), ["feature"], tmp_path)


def test_a_wrong_int8_file_is_not_chosen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def calibrated_on_nonsense(fp32: Path, samples: list[Sample], path: Path) -> None:
        real_write_int8(fp32, [{"x": s["x"] * 1e-3} for s in samples], path)

    monkeypatch.setattr(choose, "write_int8", calibrated_on_nonsense)
    assert choose.convert("face", _net(), _samples(50), _samples(50), ["feature"], tmp_path).precision == "fp32"


def test_nan_is_refused() -> None:
    good = _RNG.normal(size=(20, 4)).astype(np.float32)
    bad = good.copy()
    bad[3, 2] = np.nan
    with pytest.raises(M3erError, match="NaN"):
        parity(good, bad)


def test_parity_sees_what_a_plain_cosine_hides() -> None:
    """With a large common offset every answer looks alike; centred, a shuffled one is seen."""
    reference = 100.0 + _RNG.normal(size=(50, 8)).astype(np.float32)
    shuffled = np.roll(reference, 1, axis=0)
    assert parity(reference, shuffled)["cosine_median"] < 0.5

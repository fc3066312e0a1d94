"""Engines: each variant of a net answers alike, and what an engine cannot do is said."""

import logging
from pathlib import Path

import numpy as np
import pytest

from edge.bench.net_times import likely_inputs
from edge.board import Board
from edge.bundle import DEFAULT, NETS, Bundle, NetName, open_bundle
from edge.engines import litert_engine
from edge.engines.engine import open_engine
from edge.errors import M3erError
from edge.nets import chosen, open_net, open_variant
from edge.quiet import quiet_stderr
from edge.settings.settings import NetChoice
from export.convert.parity import centred_cosine


@pytest.fixture(scope="module")
def bundle() -> Bundle:
    return open_bundle(DEFAULT)


@pytest.mark.parametrize("name", NETS)
def test_every_net_is_there_in_every_variant_with_its_figures(bundle: Bundle, name: NetName) -> None:
    found = {(v.engine, v.precision): v for v in bundle.variants(name)}
    assert set(found) == {(e, p) for e in ("onnx", "litert") for p in ("fp32", "int8")}
    for variant in found.values():
        assert variant.parity["cosine_worst"] >= (0.9999 if variant.precision == "fp32" else 0.9)
        assert variant.parity["score_lost"] <= 0.01


@pytest.mark.parametrize("name", NETS)
def test_all_variants_answer_alike(bundle: Bundle, name: NetName) -> None:
    """On noise; on real inputs they were compared when the bundle was made."""
    engines = {
        (v.engine, v.precision): open_variant(bundle, v, NetChoice(engine=v.engine, precision=v.precision))
        for v in bundle.variants(name)
    }
    inputs = [likely_inputs(bundle, bundle.net(name), seed) for seed in range(20)]
    answers = {kind: [engine.run(one) for one in inputs] for kind, engine in engines.items()}
    exact = answers["onnx", "fp32"]
    for output in exact[0]:
        truth = np.concatenate([answer[output] for answer in exact])
        for kind, rows in answers.items():
            found = np.concatenate([row[output] for row in rows])
            assert found.dtype == np.float32 and found.shape == truth.shape
            if kind[1] == "fp32":
                np.testing.assert_allclose(found, truth, atol=1e-4 * max(1.0, float(np.abs(truth).max())))
            else:
                assert np.median(centred_cosine(truth, found)) > 0.9, (kind, output)


def test_int8_files_are_a_third_of_the_float_files(bundle: Bundle) -> None:
    size = {
        precision: sum(
            bundle.manifest.files[v.file].bytes for n in NETS for v in bundle.variants(n) if v.precision == precision
        )
        for precision in ("fp32", "int8")
    }
    assert size["int8"] <= 0.35 * size["fp32"]


def test_a_board_decides_which_file_runs(bundle: Bundle) -> None:
    for engine, runs_on in (("onnx", "onnx/CPUExecutionProvider"), ("litert", "litert/XNNPACK")):
        board = Board.model_validate({"nets": {"fusion": {"engine": engine, "precision": "fp32"}}})
        assert chosen(bundle, "fusion", board)[0].file.startswith(f"nets/fusion.{engine}.fp32.")
        assert open_net(bundle, "fusion", board).name == runs_on
    assert chosen(bundle, "fusion", Board())[0] == bundle.variants("fusion")[0]


@pytest.mark.parametrize("provider", ["xnnpack", "cuda", "tensorrt"])
def test_a_provider_that_is_not_installed_is_said_and_the_cpu_serves(
    bundle: Bundle, provider: str, caplog: pytest.LogCaptureFixture
) -> None:
    board = Board.model_validate({"nets": {"text": {"engine": "onnx", "precision": "fp32", "provider": provider}}})
    with caplog.at_level(logging.WARNING):
        engine = open_net(bundle, "text", board)
    assert engine.name == "onnx/CPUExecutionProvider"
    (said,) = [record.getMessage() for record in caplog.records]
    assert provider in said and "CPUExecutionProvider" in said and "text.onnx.fp32.onnx" in said
    engine.run(likely_inputs(bundle, bundle.net("text")))


def test_what_the_cpu_was_asked_for_is_not_worth_a_word(bundle: Bundle, caplog: pytest.LogCaptureFixture) -> None:
    open_net(bundle, "text", Board.model_validate({"nets": {"text": {"engine": "onnx", "precision": "fp32"}}}))
    assert not caplog.records


def test_without_litert_its_files_name_the_package(bundle: Bundle, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(litert_engine, "Interpreter", None)
    with pytest.raises(M3erError, match=r"text\.litert\.int8\.tflite.*pip install ai-edge-litert"):
        open_engine(bundle.path(bundle.net("text", "litert", "int8")))


@pytest.mark.parametrize("ending", ["onnx", "tflite"])
@pytest.mark.parametrize("content", [b"", b"nonsense" * 100])
def test_a_file_that_is_no_net_is_refused_with_its_name(ending: str, content: bytes, tmp_path: Path) -> None:
    path = tmp_path / f"net.{ending}"
    path.write_bytes(content)
    with pytest.raises(M3erError, match=f"net.{ending}"):
        open_engine(path)


def test_a_bundle_without_what_a_board_wants_says_what_it_has(bundle: Bundle, tmp_path: Path) -> None:
    from export.board_bundle import write_board_bundle

    all_onnx = Board(nets={name: NetChoice(engine="onnx", precision="fp32") for name in NETS})
    write_board_bundle(bundle, all_onnx, tmp_path / "small")
    small = open_bundle(tmp_path / "small")
    with pytest.raises(M3erError, match=r"no litert int8 file of the face net, only onnx fp32"):
        small.net("face", "litert", "int8")


def test_opening_nets_says_nothing(bundle: Bundle, capfd: pytest.CaptureFixture[str]) -> None:
    for variant in bundle.variants("text"):
        open_engine(bundle.path(variant))
    said = capfd.readouterr()
    assert said.out == "" and said.err == ""


def test_stderr_comes_back_after_a_quiet_part(capfd: pytest.CaptureFixture[str]) -> None:
    import os

    with pytest.raises(ValueError, match="loud"), quiet_stderr():
        os.write(2, b"hidden")
        raise ValueError("loud")
    os.write(2, b"seen")
    assert capfd.readouterr().err == "seen"

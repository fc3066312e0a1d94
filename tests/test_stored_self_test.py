"""The stored self-test: right on the machine that made it, wrong where a net or the method is, and never crashed."""

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import safetensors.numpy
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from edge.board import Board
from edge.bundle import DEFAULT, MANIFEST, NETS, SELFTEST, Bundle, open_bundle
from edge.errors import M3erError
from edge.selftest.method import check_and_proxies
from edge.selftest.stored import Result, check_self_test, self_test
from edge.selftest.stored_file import read_stored, to_bytes, variant_name
from edge.settings.settings import NetChoice
from export.board_bundle import write_board_bundle
from export.bundle_writer import add_self_test
from export.cli import main
from tests.made_bundle import edit_manifest, replace_file, write_random_bundle

Arrays = dict[str, NDArray[np.generic]]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny bundle with a self-test, to be left as it is."""
    folder = write_random_bundle(tmp_path_factory.mktemp("made") / "tiny", np.random.default_rng(1))
    add_self_test(folder)
    return folder


@pytest.fixture
def folder(made: Path, tmp_path: Path) -> Path:
    """The same, to be ruined."""
    return Path(shutil.copytree(made, tmp_path / "bundle"))


def failed(bundle: Bundle, board: Board | None = None) -> set[str]:
    return {result.name for result in self_test(bundle, board or Board(), every_variant=True) if not result.passed}


def change_self_test(folder: Path, edit: Callable[[Arrays], object]) -> None:
    arrays: Arrays = dict(safetensors.numpy.load((folder / SELFTEST).read_bytes()))
    edit(arrays)
    replace_file(folder, SELFTEST, safetensors.numpy.save(dict(arrays)))


def test_the_shipped_bundle_answers_as_where_it_was_made() -> None:
    bundle = open_bundle(DEFAULT)
    results = self_test(bundle, Board(), every_variant=True)
    assert [str(result) for result in results if not result.passed] == []
    names = {result.name for result in results}
    assert names >= {variant_name(v) for v in bundle.manifest.nets} | {"check", "proxies"}
    assert sum(name.startswith("whole way, fusion.") for name in names) == len(bundle.variants("fusion"))
    assert (DEFAULT / SELFTEST).stat().st_size <= 400_000
    check_self_test(bundle, Board())


def test_the_sequence_of_the_shipped_bundle_shows_every_turn_of_the_check() -> None:
    """And stands clear of every limit, so that a last bit turns nothing."""
    test = read_stored(open_bundle(DEFAULT))
    present, effectual = test.sequence.present, test.outcome.effectual
    assert len(present) >= 12
    assert {(bool(p), bool(e)) for p, e in zip(present.ravel(), effectual.ravel(), strict=True)} == {
        (True, True),
        (True, False),
        (False, False),
    }
    assert (~effectual.any(axis=1)).any() and effectual.all(axis=1).any()
    rng = np.random.default_rng(0)
    bundle = open_bundle(DEFAULT)
    for _ in range(5):
        shaken = {
            m: (f * (1 + rng.normal(0, 1e-4, f.shape))).astype(np.float32) for m, f in test.sequence.features.items()
        }
        found, _ = check_and_proxies(bundle, replace(test.sequence, features=shaken))
        np.testing.assert_array_equal(found, effectual)


def test_only_the_boards_files_are_run_where_not_all_are_asked_for() -> None:
    choice = NetChoice(engine="onnx", precision="fp32")
    names = [result.name for result in self_test(open_bundle(DEFAULT), Board(nets=dict.fromkeys(NETS, choice)))]
    assert names[:4] == [f"{net}.onnx.fp32" for net in NETS]
    assert names[4:] == ["check", "proxies", "whole way, fusion.onnx.fp32"]


def test_another_net_is_found_out_and_named(folder: Path) -> None:
    assert failed(open_bundle(folder)) == set()
    other = write_random_bundle(folder.parent / "other", np.random.default_rng(2))
    name = "nets/face.onnx.fp32.onnx"
    replace_file(folder, name, (other / name).read_bytes())
    bundle = open_bundle(folder)
    assert failed(bundle) == {"face.onnx.fp32"}
    with pytest.raises(M3erError, match=r"bundle: fails its self-test: face\.onnx\.fp32 differs by [0-9.]+, at most"):
        check_self_test(bundle, Board())


def test_a_shipped_net_that_hardly_looks_at_its_input_is_found_out(tmp_path: Path) -> None:
    """int8 in place of fp32 of the same net is within the tolerance of int8, and outside that of fp32."""
    whole = Path(shutil.copytree(DEFAULT, tmp_path / "bundle"))
    replace_file(whole, "nets/face.onnx.fp32.onnx", (whole / "nets/face.onnx.int8.onnx").read_bytes())
    assert failed(open_bundle(whole)) == {"face.onnx.fp32"}


def test_other_tables_are_found_out(folder: Path) -> None:
    other = write_random_bundle(folder.parent / "other", np.random.default_rng(3))
    replace_file(folder, "tables.safetensors", (other / "tables.safetensors").read_bytes())
    assert "proxies" in failed(open_bundle(folder))


def test_a_net_that_does_not_load_is_a_result_and_not_the_end(folder: Path) -> None:
    replace_file(folder, "nets/text.onnx.fp32.onnx", b"no net")
    results = {result.name: result for result in self_test(open_bundle(folder), Board())}
    assert "onnxruntime cannot load it" in str(results["text.onnx.fp32"])
    assert not results["text.onnx.fp32"].passed and results["face.onnx.fp32"].passed


def test_a_bundle_without_one_says_so(tmp_path: Path) -> None:
    bare = open_bundle(write_random_bundle(tmp_path / "bare", np.random.default_rng(1)))
    for ask in (lambda: self_test(bare, Board()), lambda: check_self_test(bare, Board())):
        with pytest.raises(M3erError, match=r"selftest\.safetensors: the bundle holds no self-test"):
            ask()


def test_the_command_adds_one_and_leaves_all_else(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = {p: p.read_bytes() for p in folder.rglob("*") if p.is_file() and p.name != MANIFEST}
    (folder / SELFTEST).unlink()
    edit_manifest(folder, lambda manifest: manifest["files"].pop(SELFTEST))
    assert main(["self-test", "--bundle", str(folder)]) == 0
    assert str(folder / SELFTEST) in capsys.readouterr().out
    assert {p: p.read_bytes() for p in folder.rglob("*") if p.is_file() and p.name != MANIFEST} == before
    check_self_test(open_bundle(folder), Board())
    assert sorted(p.name for p in folder.parent.iterdir()) == [folder.name]


def test_a_boards_bundle_keeps_what_concerns_its_files(tmp_path: Path) -> None:
    choice = NetChoice(engine="litert", precision="int8")
    write_board_bundle(open_bundle(DEFAULT), Board(nets=dict.fromkeys(NETS, choice)), tmp_path / "small")
    small = open_bundle(tmp_path / "small")
    assert set(read_stored(small).expected) == {f"{net}.litert.int8" for net in NETS}
    check_self_test(small, Board())


@pytest.mark.parametrize(
    ("edit", "said"),
    [
        (lambda a: a.pop("input.face.face"), "input.face.face is missing"),
        (lambda a: a.pop("expected.text.onnx.fp32.feature"), "expected.text.onnx.fp32.feature is missing"),
        (lambda a: a.update(more=np.zeros(1, np.float32)), "unknown array.* more"),
        (lambda a: a.update({"input.text.tokens": a["input.text.tokens"].astype(np.int64)}), "int64"),
        (lambda a: a.update({"input.text.tokens": a["input.text.tokens"] + 9999}), "vocabulary lacks"),
        (lambda a: a.update({"input.face.face": a["input.face.face"][:1]}), "at least 2"),
        (lambda a: a.update({"input.face.face": a["input.face.face"][:, :, :9]}), "shape"),
        (lambda a: a.update({"sequence.quality": a["sequence.quality"] * np.nan}), "NaN"),
        (lambda a: a.update({"sequence.present": a["sequence.present"] * 2}), "0 or 1"),
        (lambda a: a.update({"sequence.present": a["sequence.present"] * 0}), "not present"),
        (lambda a: a.update({"sequence.present": a["sequence.present"][:0]}), "no step"),
    ],
)
def test_malformed_is_refused_with_the_reason(folder: Path, edit: Callable[[Arrays], object], said: str) -> None:
    change_self_test(folder, edit)
    with pytest.raises(M3erError, match=rf"selftest\.safetensors: .*{said}"):
        self_test(open_bundle(folder), Board())


@settings(max_examples=60)
@given(data=st.data())
def test_damaged_bytes_never_crash(made: Path, tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    """Cut off, or some bytes changed, with a manifest that fits: refused, or answered with results."""
    folder = Path(shutil.copytree(made, tmp_path_factory.mktemp("damaged") / "bundle"))
    content = bytearray((folder / SELFTEST).read_bytes())
    header = 8 + int.from_bytes(content[:8], "little")
    for _ in range(data.draw(st.integers(0, 3))):
        content[data.draw(st.integers(0, header - 1))] = data.draw(st.integers(0, 255))
    content[data.draw(st.integers(header, len(content) - 1))] = data.draw(st.integers(0, 255))
    kept = data.draw(st.sampled_from([len(content), len(content) // 2, header, 9, 0]))
    replace_file(folder, SELFTEST, bytes(content[:kept]))
    bundle = open_bundle(folder)
    try:
        assert all(isinstance(result, Result) for result in self_test(bundle, Board()))
    except M3erError as error:
        assert SELFTEST in str(error) and "\n" not in str(error)
    finally:
        shutil.rmtree(folder.parent)


def test_what_is_written_reads_back_the_same(made: Path) -> None:
    bundle = open_bundle(made)
    assert to_bytes(read_stored(bundle)) == (made / SELFTEST).read_bytes()

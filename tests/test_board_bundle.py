"""m3er-export bundle --for BOARD: the same model, with only the files that the board's profile chose."""

from pathlib import Path

import pytest

from edge.board import Board, write_choices
from edge.bundle import CARD, DEFAULT, NETS, open_bundle
from edge.errors import M3erError
from edge.settings.settings import NetChoice
from export.board_bundle import write_board_bundle
from export.cli import main

_MIXED = {
    "face": NetChoice(engine="litert", precision="int8"),
    "speech": NetChoice(engine="onnx", precision="int8"),
    "text": NetChoice(engine="litert", precision="int8"),
    "fusion": NetChoice(engine="onnx", precision="fp32"),
}
_FILES = {"face.litert.int8.tflite", "speech.onnx.int8.onnx", "text.litert.int8.tflite", "fusion.onnx.fp32.onnx"}


def test_the_command_picks_the_files_of_a_profile(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    profile, out = tmp_path / "board.toml", tmp_path / "bundle"
    write_choices(profile, {name: _MIXED[name] for name in NETS}, "by a test")
    assert main(["bundle", "--for", str(profile), "--out", str(out)]) == 0
    whole, small = open_bundle(DEFAULT), open_bundle(out)
    assert {path.name for path in (out / "nets").iterdir()} == _FILES
    assert {small.net(name).file for name in NETS} == {f"nets/{name}" for name in _FILES}
    assert small.manifest.commit == whole.manifest.commit and small.manifest.name == whole.manifest.name
    assert small.net("face").parity == whole.net("face", "litert", "int8").parity
    assert (out / CARD).read_text() == (DEFAULT / CARD).read_text()
    size = {b.id: sum(entry.bytes for entry in b.manifest.files.values()) for b in (whole, small)}
    assert size[small.id] < 0.25 * size[whole.id]
    assert main(["bundle", "--for", str(profile), "--from", str(out), "--out", str(out)]) == 0, "again, over itself"
    assert open_bundle(out).id == small.id


def test_nets_that_a_profile_does_not_name_keep_their_first_file(tmp_path: Path) -> None:
    whole = open_bundle(DEFAULT)
    write_board_bundle(whole, Board(), tmp_path / "bundle")
    assert [v.file for v in open_bundle(tmp_path / "bundle").manifest.nets] == [whole.net(name).file for name in NETS]


def test_what_the_bundle_lacks_is_said_and_nothing_is_written(tmp_path: Path) -> None:
    fp32 = Board(nets={name: NetChoice(engine="onnx", precision="fp32") for name in NETS})
    write_board_bundle(open_bundle(DEFAULT), fp32, tmp_path / "fp32")
    with pytest.raises(M3erError, match="no litert int8 file of the face net"):
        write_board_bundle(open_bundle(tmp_path / "fp32"), Board(nets={"face": _MIXED["face"]}), tmp_path / "none")
    assert [path.name for path in tmp_path.iterdir()] == ["fp32"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "--data"),
        (["--for", "toaster"], "generic-x86"),
        (["--for", "generic-x86", "--from", "nowhere"], "nowhere"),
    ],
)
def test_wrong_input_is_one_line(
    arguments: list[str], said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["bundle", *arguments, "--out", str(tmp_path / "bundle")]) == 2
    error = capsys.readouterr().err
    assert said in error and error.count("\n") == 1
    assert not (tmp_path / "bundle").exists()


def test_something_else_is_not_overwritten(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "notes.txt").write_text("do not lose this")
    assert main(["bundle", "--for", "generic-x86", "--out", str(tmp_path)]) == 2
    assert "not a bundle" in capsys.readouterr().err
    assert (tmp_path / "notes.txt").read_text() == "do not lose this"

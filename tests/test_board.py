"""Board profiles: read, refused with the file's name and the place, written with everything else kept."""

import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.board import BOARDS, Board, read_board, write_choices
from edge.bundle import NETS, NetName
from edge.errors import M3erError
from edge.settings.settings import NetChoice

_choices = st.builds(
    NetChoice,
    engine=st.sampled_from(["onnx", "litert"]),
    precision=st.sampled_from(["fp32", "int8"]),
    threads=st.integers(1, 64),
    provider=st.sampled_from(["cpu", "xnnpack", "cuda", "tensorrt"]),
)


@pytest.mark.parametrize("path", sorted(BOARDS.glob("*.toml")), ids=lambda p: p.stem)
def test_every_profile_that_comes_with_the_program_is_whole(path: Path) -> None:
    board = read_board(path.stem)
    assert board.name == path.stem
    assert set(board.nets) == set(NETS)


def test_there_is_a_profile() -> None:
    assert (BOARDS / "generic-x86.toml").is_file()


@given(st.dictionaries(st.sampled_from(NETS), _choices))
def test_what_is_written_is_read(choices: dict[NetName, NetChoice]) -> None:
    with tempfile.TemporaryDirectory() as scratch:
        path = Path(scratch) / "board.toml"
        write_choices(path, choices, "by a test")
        assert read_board(str(path)) == Board(name="board", nets=choices)


def test_comments_and_what_was_there_are_kept(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(
        '# my robot\nname = "mine"  # its name\n\n[nets.face]\n# slow camera\nengine = "onnx"\nprecision = "fp32"\n'
    )
    fast = NetChoice(engine="litert", precision="int8", threads=2)
    write_choices(path, {"face": fast, "text": fast}, "first")
    write_choices(path, {"face": fast}, "second")
    text = path.read_text()
    assert "# my robot" in text and "# its name" in text and "# slow camera" in text
    assert "second" in text and "first" not in text, "one line tells of the last measurement"
    assert read_board(str(path)) == Board(name="mine", nets={"face": fast, "text": fast})


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("nets = 3", "nets"),
        ("[nets.face]\nengine = 'onnx'", "nets.face.precision"),
        ("[nets.face]\nengine = 'tvm'\nprecision = 'int8'", "nets.face.engine"),
        ("[nets.face]\nengine = 'onnx'\nprecision = 'int4'", "nets.face.precision"),
        ("[nets.face]\nengine = 'onnx'\nprecision = 'int8'\nthreads = 0", "nets.face.threads"),
        ("[nets.face]\nengine = 'onnx'\nprecision = 'int8'\ngpu = 1", "nets.face.gpu"),
        ("[nets.nose]\nengine = 'onnx'\nprecision = 'int8'", "nets.nose"),
        ("speed = 'fast'", "speed"),
        ("[nets.face", "not TOML"),
        ("\x00", "not TOML"),
    ],
)
def test_a_malformed_profile_is_refused_with_its_name_and_the_place(text: str, said: str, tmp_path: Path) -> None:
    path = tmp_path / "bad.toml"
    path.write_text(text)
    with pytest.raises(M3erError) as error:
        read_board(str(path))
    assert str(path) in str(error.value) and said in str(error.value)


def test_an_unknown_board_is_told_which_are_known() -> None:
    with pytest.raises(M3erError, match=r"toaster\.toml.*generic-x86"):
        read_board("toaster")


def test_a_profile_that_is_no_toml_is_not_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "notes.toml"
    path.write_text("do not lose this")
    with pytest.raises(M3erError, match="not TOML"):
        write_choices(path, {}, "by a test")
    assert path.read_text() == "do not lose this"

"""The line of a key: in documents that are made line by line, so that it is known, and in arbitrary ones."""

import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.errors import M3erError
from edge.settings.toml_file import line_of, read_toml

EXAMPLE = """\
# a comment = 1
title = "x"

[camera]   # with a comment
source = "a # no comment ! [not.a.table]"
"quoted key" = 1
dotted.inside.key = 2
text = '''
width_px = 3
[fake]
'''
more = \"\"\"
source = 4 \\
\"\"\"
many = [
  1,  # one
  [2, 3],
]
inline = { a = 1, b = { c = 2 } }

[nets.face]
engine = "onnx"
[[rows]]
n = 1
[[rows]]
n = 2
"""


@pytest.mark.parametrize(
    ("key", "line"),
    [
        (("title",), 2),
        (("camera",), 4),
        (("camera", "source"), 5),
        (("camera", "quoted key"), 6),
        (("camera", "dotted", "inside", "key"), 7),
        (("camera", "text"), 8),
        (("camera", "more"), 12),
        (("camera", "many"), 15),
        (("camera", "many", 1, 0), 15),
        (("camera", "inline", "b", "c"), 19),
        (("nets", "face", "engine"), 22),
        (("rows", 0, "n"), 24),
        (("rows", 1), 25),
        (("rows", 1, "n"), 26),
        (("nets", "face", "precision"), 21),  # missing: its table's
        (("camera", "width_px"), 4),
        (("nowhere", "at all"), 1),
        ((), 1),
    ],
)
def test_every_way_to_write_a_key(key: tuple[str | int, ...], line: int) -> None:
    assert line_of(EXAMPLE, key) == line
    assert line_of(EXAMPLE.replace("\n", "\r\n"), key) == line


_name = st.text("abcdefgh_", min_size=1, max_size=4)
_value = st.sampled_from(
    [
        "1",
        '"[t]"',
        "'# no'",
        "true",
        "1979-05-27",
        "[1, 2]",
        "[\n1,\n# [x]\n2]",
        '"""\nq = 1\n[z]\n"""',
        "'''\n\n'''",
        "{ u = 1 }",
    ]
)
_noise = st.sampled_from(["", "  ", "# x = 1", "# [t]", "#"])


@given(st.lists(st.tuples(_name, st.lists(st.tuples(_name, _value, _noise), max_size=4)), max_size=5))
def test_the_line_of_each_key_of_a_made_document(tables: list[tuple[str, list[tuple[str, str, str]]]]) -> None:
    text, lines, taken = "", dict[tuple[str, ...], int](), set[str]()
    for table, rows in tables:
        if table in taken:
            continue
        taken.add(table)
        lines[(table,)] = text.count("\n") + 1
        text += f"[{table}]\n"
        for name, value, noise in rows:
            if (table, name) in lines:
                continue
            text += f"{noise}\n"
            lines[(table, name)] = text.count("\n") + 1
            text += f"{name} = {value}\n"
    assert {key: line_of(text, key) for key in lines} == lines


@given(st.binary(max_size=60) | st.text(max_size=60).map(str.encode), st.booleans())
def test_any_bytes_are_a_document_or_an_error_with_file_and_line(content: bytes, with_table: bool) -> None:
    with tempfile.TemporaryDirectory() as scratch:
        path = Path(scratch) / "a.toml"
        path.write_bytes(b"[t]\n" + content if with_table else content)
        try:
            file = read_toml(path, "a test")
        except M3erError as error:
            name, line, _ = str(error).removeprefix(scratch).split(":", 2)
            assert name == "/a.toml"
            assert 1 <= int(line) <= content.count(b"\n") + 2
        else:
            for key in _keys(file.values):
                assert 1 <= int(file.where(key).rpartition(":")[2]) <= file.text.count("\n") + 1


def _keys(values: Any) -> list[tuple[str, ...]]:
    found: list[tuple[str, ...]] = []
    for name, value in values.items():
        found.append((name,))
        if isinstance(value, dict):
            found += [(name, *rest) for rest in _keys(value)]
    return found


@pytest.mark.parametrize(
    ("content", "line"),
    [
        (b"a = 1\nb = \n", 2),
        (b"a = 1\n[t\n", 2),
        (b"\n\nx = '\xff'", 3),
        (b'a = """\n\n', 3),
        (b"a = 1\na = 2\n", 2),
        (b"d = 2026-02-31\n", 1),
        (b"a = " + b"[" * 5000 + b"\n", 1),
        (b"\x00", 1),
    ],
)
def test_what_is_no_toml_is_said_with_the_line(content: bytes, line: int, tmp_path: Path) -> None:
    path = tmp_path / "bad.toml"
    path.write_bytes(content)
    with pytest.raises(M3erError, match=rf"bad\.toml:{line}: not a test, not TOML"):
        read_toml(path, "a test")

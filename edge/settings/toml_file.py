"""A TOML file, and the line where each of its keys stands: the standard parser keeps no positions."""

import re
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from edge.errors import M3erError

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

Key = Sequence[str | int]
"""A dotted key; a number is a place in a list."""

_AT_LINE = re.compile(r"\s*\(at line (\d+), column \d+\)$")
_AT_END = re.compile(r"\s*\(at end of document\)$")


@dataclass(frozen=True)
class TomlFile:
    """What a file says.

    Attributes:
        name: what messages call it, mostly its path.
        text: the whole of it.
        values: what it sets.
    """

    name: str
    text: str
    values: Mapping[str, Any]

    def where(self, key: Key) -> str:
        """``FILE:LINE`` of a key; of the table it belongs in, where it is missing; line 1 where that is, too."""
        return f"{self.name}:{line_of(self.text, key)}"


def read_toml(path: Path, what: str) -> TomlFile:
    """Read a file.

    Args:
        what: it is meant to be, e.g. ``a board profile``.

    Raises:
        OSError: it cannot be read.
        M3erError: it is no TOML; with its name and the line.
    """
    content = path.read_bytes()
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        raise M3erError(f"{path}:{line}: not {what}, not TOML (no UTF-8: {error.reason})") from None
    try:
        return TomlFile(str(path), text, tomllib.loads(text))
    except (tomllib.TOMLDecodeError, RecursionError, ValueError) as error:  # ValueError: a date such as 2026-02-31
        line, why = _line_and_why(text, str(error))
        raise M3erError(f"{path}:{line}: not {what}, not TOML ({why})") from None


def line_of(text: str, key: Key) -> int:
    """The line (from 1) where a key of a TOML document is set, or where the statement begins that sets it.

    A key that is missing has the line of the table that it belongs in.
    """
    beginnings = _beginnings(text)
    while key and not _has(beginnings[-1][1], key):
        key = key[:-1]
    return next((line for line, so_far in beginnings if key and _has(so_far, key)), 1)


@lru_cache(maxsize=8)
def _beginnings(text: str) -> tuple[tuple[int, Mapping[str, Any]], ...]:
    """For each statement of a document, the line where it begins, and what is set when it ends.

    A document cut off between two statements is a document again, and cut off within one it is none. So the parser
    itself tells where statements end.
    """
    lines = text.split("\n")
    found: list[tuple[int, Mapping[str, Any]]] = [(1, {})]
    begin = 1
    for end in range(1, len(lines) + 1):
        try:
            so_far = tomllib.loads("\n".join(lines[:end]) + "\n")
        except (tomllib.TOMLDecodeError, ValueError, RecursionError):
            continue  # in the middle of a statement
        found.append((begin, so_far))
        begin = end + 1
    return tuple(found)


def _has(values: Any, key: Key) -> bool:
    for part in key:
        if isinstance(values, list) and isinstance(part, int):
            if not 0 <= part < len(values):
                return False
        elif not isinstance(values, dict) or part not in values:
            return False
        values = values[part]
    return True


def _line_and_why(text: str, said: str) -> tuple[int, str]:
    found = _AT_LINE.search(said)
    if found:
        return int(found[1]), said[: found.start()]
    if _AT_END.search(said):
        return text.count("\n") + 1, _AT_END.sub("", said) + ", at the end of the file"
    return 1, said or "nested too deep"

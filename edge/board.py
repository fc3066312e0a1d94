"""A board's profile: which engine and precision each net runs with, chosen by ``m3er-edge bench``.

A TOML file, ``firmware_configs/boards/NAME.toml`` or any other::

    [nets.face]
    engine = "litert"      # onnx, litert
    precision = "int8"     # fp32, int8
    threads = 1
    provider = "cpu"       # onnx alone: cpu, xnnpack, cuda, tensorrt
"""

import sys
from collections.abc import Mapping
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from edge.bundle import NETS, NetName
from edge.engines.engine import EngineName, Precision, Provider
from edge.errors import M3erError

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

BOARDS = Path(__file__).parent.parent / "firmware_configs" / "boards"


class _Record(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class NetChoice(_Record):
    """How one net runs."""

    engine: EngineName
    precision: Precision
    threads: int = Field(default=1, ge=1, le=64)
    provider: Provider = "cpu"


class Board(_Record):
    """A board's profile. A net that it does not name runs with the variant that the bundle lists first."""

    name: str = ""
    nets: dict[NetName, NetChoice] = {}


def board_file(name_or_file: str) -> Path:
    """Where a board's profile is: a file as it is, a name among those that come with the program."""
    if name_or_file.endswith(".toml") or "/" in name_or_file:
        return Path(name_or_file)
    return BOARDS / f"{name_or_file}.toml"


def read_board(name_or_file: str) -> Board:
    """A board's profile. Raises M3erError, with the file's name, where it is missing or malformed."""
    path = board_file(name_or_file)
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        known = ", ".join(sorted(p.stem for p in BOARDS.glob("*.toml")))
        raise M3erError(
            f"{path}: no such board profile ({error.strerror}); known boards: {known or 'none'}; "
            "make one with `m3er-edge bench --board FILE.toml --write`"
        ) from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise M3erError(f"{path}: not a board profile, not TOML ({error})") from None
    try:
        return Board.model_validate({"name": path.stem, **values})
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        raise M3erError(f"{path}: {where}: {first['msg']}") from None


def write_choices(path: Path, choices: Mapping[NetName, NetChoice], why: str) -> None:
    """Set the nets of a profile; everything else in it stays, comments included. A new file is made.

    Args:
        why: one line, e.g. what measured it and where; a comment above the nets.

    Raises:
        M3erError: the file is no TOML, or cannot be written.
    """
    import tomlkit  # keeps comments, which tomllib does not; read only here, because it is slow to import
    from tomlkit.exceptions import TOMLKitError

    try:
        document = tomlkit.parse(path.read_text(encoding="utf-8")) if path.exists() else tomlkit.document()
        nets = document.setdefault("nets", tomlkit.table(is_super_table=True))
        for name in NETS:
            if name in choices:
                nets.setdefault(name, tomlkit.table()).update(choices[name].model_dump())
        part = path.with_name(path.name + ".part")
        part.write_text(_with_comment(tomlkit.dumps(document), why), encoding="utf-8")
        part.replace(path)
    except TOMLKitError as error:
        raise M3erError(f"{path}: not a board profile, not TOML ({error})") from None
    except OSError as error:
        raise M3erError(f"{path}: cannot be written ({error.strerror})") from None


_MARK = "# Measured: "


def _with_comment(text: str, why: str) -> str:
    """The text with one line of :data:`_MARK` above the first net; an older one goes."""
    lines = [line for line in text.splitlines() if not line.startswith(_MARK)]
    first = next((n for n, line in enumerate(lines) if line.startswith("[nets.")), len(lines))
    return "\n".join([*lines[:first], _MARK + why, *lines[first:]]).rstrip() + "\n"

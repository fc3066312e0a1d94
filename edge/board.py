"""A board's profile: the settings that suit one kind of board; its nets are chosen by ``m3er-edge bench``.

A TOML file, ``firmware_configs/boards/NAME.toml`` or any other, with the settings of :mod:`edge.settings.settings`::

    compatible = ["raspberrypi,4-model-b"]   # how the board is recognised

    [nets.face]
    engine = "litert"      # onnx, litert
    precision = "int8"     # fp32, int8
    threads = 1
    provider = "cpu"       # onnx alone: cpu, xnnpack, cuda, tensorrt
"""

from collections.abc import Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated

from pydantic import Field

from edge.bundle import NETS, NetName
from edge.errors import M3erError
from edge.settings.problems import check
from edge.settings.settings import NetChoice, Settings
from edge.settings.toml_file import TomlFile, read_toml

BOARDS = Path(__file__).parent.parent / "firmware_configs" / "boards"
PROFILE = "a board profile"


class Board(Settings):
    """A board's profile.

    Attributes:
        compatible: names of the device tree that mean this board, or a processor's architecture such as ``x86_64``.
    """

    name: str = ""
    compatible: list[Annotated[str, Field(min_length=1)]] = Field(default=[])


def board_file(name_or_file: str) -> Path:
    """Where a board's profile is: a file as it is, a name among those that come with the program."""
    if name_or_file.endswith(".toml") or "/" in name_or_file:
        return Path(name_or_file)
    return BOARDS / f"{name_or_file}.toml"


def known_boards() -> list[str]:
    """Names of the boards that come with the program."""
    return sorted(path.stem for path in BOARDS.glob("*.toml"))


def read_board(name_or_file: str) -> Board:
    """A board's profile. Raises M3erError, with the file's name and the line, where it is missing or malformed."""
    file = read_profile(name_or_file)
    values = {"name": board_file(name_or_file).stem, **file.values}
    check(Board, values, file.where)
    return Board.model_validate(values)


def read_profile(name_or_file: str) -> TomlFile:
    """A board's profile as it is written. Raises M3erError where it is missing or no TOML."""
    path = board_file(name_or_file)
    try:
        return read_toml(path, PROFILE)
    except (OSError, ValueError) as error:  # ValueError: a NUL in the name
        why = error.strerror if isinstance(error, OSError) else str(error)
        known = known_boards()
        near = [board for board in known if name_or_file in board] or get_close_matches(name_or_file, known)
        raise M3erError(
            f"{path}: no such board profile ({why}); "
            + (f"did you mean {' or '.join(near[:3])}? " if near else "")
            + f"known boards: {', '.join(known) or 'none'}; "
            "make one with `m3er-edge bench --board FILE.toml --write`"
        ) from None


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

"""Where settings come from, and which wins: defaults < board < /etc/m3er-edge.toml < environment < flags.

Each layer is checked by itself, so that a mistake is found where it stands, also where a later layer hides it. Tables
are laid over each other key by key; a list is replaced as a whole.
"""

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import Field

from edge.board import Board, board_file, read_profile
from edge.errors import M3erError
from edge.settings.detect import Detected, detect
from edge.settings.environment import SITE_VARIABLE, from_environment
from edge.settings.problems import check
from edge.settings.schema import leaves
from edge.settings.settings import Settings
from edge.settings.toml_file import Key, read_toml

SITE_FILE = Path("/etc/m3er-edge.toml")
DEFAULT = "default"


class Asked(Settings):
    """What a site, the environment or the command line may set: everything, and which board it is."""

    board: str | None = Field(default=None, min_length=1, description="a board's name or profile; not set: detected")


@dataclass(frozen=True)
class Layer:
    """Settings of one place.

    Attributes:
        values: as in TOML.
        where: says where a key is set, e.g. ``/etc/m3er-edge.toml:3``.
    """

    values: Mapping[str, Any]
    where: Callable[[Key], str]


@dataclass(frozen=True)
class Merged:
    """The settings of a run.

    Attributes:
        board: the board's name, ``""`` for none; and how that is known.
        layer: what each setting came from, by its key; what is not here has its default.
        warnings: to be told once.
    """

    settings: Settings
    board: str
    board_is_known_by: str
    layer: Mapping[tuple[str, ...], Layer]
    warnings: Sequence[str] = field(default=())

    def where(self, key: tuple[str, ...]) -> str:
        """Where a setting came from."""
        return self.layer[key].where(key) if key in self.layer else DEFAULT  # asked for late, as lines take time

    @property
    def board_in_words(self) -> str:
        """Which it is, and how that is known."""
        return f"{self.board or 'none'}, {self.board_is_known_by}"


def merge_settings(
    flags: Layer | None = None, environment: Mapping[str, str] | None = None, root: Path = Path("/")
) -> Merged:
    """Read all layers and lay them over each other.

    Args:
        flags: of the command line.
        environment: of the process, if None.
        root: of the file system, where the board is looked for; another than ``/`` for tests.

    Raises:
        M3erError: a layer holds something that is no setting, or is out of range; with its place.
    """
    variables, warnings = from_environment(os.environ if environment is None else environment)
    site = _site(os.environ if environment is None else environment)
    layers = [layer for layer in (site, Layer(variables.values, variables.where), flags) if layer is not None]
    for layer in layers:
        check(Asked, layer.values, layer.where, may_lack=True)
    name, known_by = _board(layers, root)
    if name is not None:
        layers.insert(0, _of_board(name))
    values: dict[str, Any] = {}
    top: dict[tuple[str, ...], Layer] = {}
    for layer in layers:
        _lay_over(values, layer.values)
        for key, _ in leaves(Settings):
            if _set_in(layer.values, key):
                top[key] = layer
    for identity in ("board", "name", "compatible"):
        values.pop(identity, None)

    def last_set(key: Key) -> str:
        return next((layer.where(key) for layer in reversed(layers) if _set_in(layer.values, key[:2])), DEFAULT)

    check(Settings, values, last_set)
    board = "" if name is None else board_file(name).stem
    return Merged(Settings.model_validate(values), board, known_by, top, warnings)


def _board(layers: Sequence[Layer], root: Path) -> tuple[str | None, str]:
    """Its name or file, and how that is known."""
    for layer in reversed(layers):
        if "board" in layer.values:
            return str(layer.values["board"]), layer.where(("board",))
    found: Detected = detect(root)
    return found.board, found.by


def _of_board(name: str) -> Layer:
    file = read_profile(name)
    check(Board, file.values, file.where, may_lack=True)
    return Layer(file.values, file.where)


def _site(environment: Mapping[str, str]) -> Layer | None:
    named = environment.get(SITE_VARIABLE)
    path = Path(named) if named else SITE_FILE
    try:
        file = read_toml(path, "a settings file")
    except FileNotFoundError:
        if named:
            raise M3erError(
                f"{path}: no such settings file, and {SITE_VARIABLE} names it; make it, or unset that"
            ) from None
        return None
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else str(error)
        raise M3erError(f"{path}: cannot be read ({why}); mend its owner or mode") from None
    return Layer(file.values, file.where)


def _lay_over(below: dict[str, Any], above: Mapping[str, Any]) -> None:
    for name, value in above.items():
        if isinstance(value, dict):
            part = below.setdefault(name, {})
            _lay_over(part, value)
        else:
            below[name] = value


def _set_in(values: Mapping[str, Any], key: Key) -> bool:
    part: Any = values
    for name in key:
        if not isinstance(part, Mapping) or name not in part:
            return False
        part = part[name]
    return True

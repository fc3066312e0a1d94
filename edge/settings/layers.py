"""Where settings come from, and which wins: defaults < board < /etc/m3er-edge.toml < environment < flags.

Each layer is checked by itself, so that a mistake is found where it stands, also where a later layer hides it. Tables
are laid over each other key by key; a list is replaced as a whole.
"""

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import Field

from edge.board import Board, board_file, read_profile
from edge.bundle import Bundle, NetName
from edge.errors import M3erError
from edge.settings.detect import Detected, detect
from edge.settings.environment import SITE_VARIABLE, from_environment
from edge.settings.problems import check
from edge.settings.schema import leaves
from edge.settings.settings import NetChoice, Settings
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


_NOTHING = Layer({}, lambda _key: "")


@dataclass(frozen=True)
class Merged:
    """The settings of a run.

    Attributes:
        profile: of the board; None: no board's.
        known_by: how it is known which board this is, in words.
        guessed: nets that were chosen by nothing but the profile of a board that was detected.
        layer: what each setting came from, by its key; what is not here has its default.
        warnings: to be told once.
    """

    settings: Settings
    profile: Path | None
    known_by: str
    guessed: Sequence[NetName]
    layer: Mapping[tuple[str, ...], Layer]
    warnings: Sequence[str] = ()

    @property
    def board(self) -> str:
        """The board's name; empty for none."""
        return "" if self.profile is None else self.profile.stem

    @property
    def board_in_words(self) -> str:
        """Which it is, and how that is known."""
        return f"{self.board or 'none'}, {self.known_by}"

    def where(self, key: tuple[str, ...]) -> str:
        """Where a setting came from."""
        return self.layer[key].where(key) if key in self.layer else DEFAULT  # asked for late, as lines take time

    def settings_for(self, bundle: Bundle) -> Settings:
        """The settings, but that a net which is only guessed, and which the bundle lacks, runs as its maker found best.

        What somebody asked for stays, and is an error when the net is opened.
        """
        lacking = [name for name in self.guessed if not _holds(bundle, name, self.settings.nets[name])]
        nets = {name: choice for name, choice in self.settings.nets.items() if name not in lacking}
        return self.settings.model_copy(update={"nets": nets})


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
    environment = os.environ if environment is None else environment
    variables, warnings = from_environment(environment)
    layers = [_site(environment), Layer(variables.values, variables.where), flags or _NOTHING]
    for layer in layers:
        check(Asked, layer.values, layer.where, may_lack=True)
    asked = next((layer for layer in reversed(layers) if "board" in layer.values), None)
    found = detect(root) if asked is None else Detected(str(asked.values["board"]), asked.where(("board",)))
    board = _NOTHING if found.board is None else _of_board(found.board, found.by)
    layers.insert(0, board)
    settings, top = _laid_over(layers)
    engine_and_precision = [(net, top["nets", net, "engine"], top["nets", net, "precision"]) for net in settings.nets]
    guessed = [net for net, *both in engine_and_precision if asked is None and both == [board, board]]
    profile = None if found.board is None else board_file(found.board)
    return Merged(settings, profile, found.by, guessed, top, warnings)


def _laid_over(layers: Sequence[Layer]) -> tuple[Settings, dict[tuple[str, ...], Layer]]:
    """The settings, and the uppermost layer that has each. Raises M3erError where something is still missing."""
    values: dict[str, Any] = {}
    top: dict[tuple[str, ...], Layer] = {}
    for layer in layers:
        _lay_over(values, layer.values)
        top |= {key: layer for key, _ in leaves(Settings) if _set_in(layer.values, key)}
    for identity in Asked.model_fields.keys() | Board.model_fields.keys():
        if identity not in Settings.model_fields:
            values.pop(identity, None)

    def last_set(key: Key) -> str:
        """Of what is missing: where the table stands that it belongs in."""
        return next((layer.where(key) for layer in reversed(layers) if _set_in(layer.values, key[:2])), DEFAULT)

    check(Settings, values, last_set)
    return Settings.model_validate(values), top


def _holds(bundle: Bundle, net: NetName, choice: NetChoice) -> bool:
    return any((file.engine, file.precision) == (choice.engine, choice.precision) for file in bundle.variants(net))


def _of_board(name: str, asked_by: str) -> Layer:
    try:
        file = read_profile(name)
    except M3erError as error:
        if board_file(name).exists():
            raise
        raise M3erError(f"{asked_by}: board: {error}") from None
    check(Board, file.values, file.where, may_lack=True)
    return Layer(file.values, file.where)


def _site(environment: Mapping[str, str]) -> Layer:
    named = environment.get(SITE_VARIABLE)
    path = Path(named) if named else SITE_FILE
    try:
        file = read_toml(path, "a settings file")
    except FileNotFoundError:
        if named:
            raise M3erError(f"{path}: no such settings file; make it, or unset {SITE_VARIABLE}") from None
        return _NOTHING
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

"""Settings from the environment: ``M3ER_CAMERA__SOURCE`` is ``camera.source``, two underscores for each dot.

Text is taken as it is, numbers and ``true`` or ``false`` as in TOML, lists as in TOML or with spaces in between. An
empty variable is none.
"""

import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

from edge.settings.schema import Node, kind, leaves
from edge.settings.settings import Settings
from edge.settings.toml_file import Key

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

PREFIX = "M3ER_"
SITE_VARIABLE = "M3ER_SETTINGS"
"""Another file than /etc/m3er-edge.toml."""
_SHORT: Mapping[str, tuple[str, ...]] = {
    "M3ER_BOARD": ("board",),
    "M3ER_LOG": ("output", "log"),
    "M3ER_YUNET": ("faces", "model"),
}
_NO_SETTINGS = (
    SITE_VARIABLE,
    "M3ER_PAGE_TOKEN",
    "M3ER_MQTT_USER",
    "M3ER_MQTT_PASSWORD",
    "M3ER_MQTT_PASSWORD_FILE",
    "M3ER_MQTT_CA",
    "M3ER_KEYS",
)
"""Others that the program reads; some are secrets, which are no settings and never shown."""


@dataclass(frozen=True)
class Variables:
    """What the environment sets.

    Attributes:
        names: of the variable, by the key that it sets.
    """

    values: Mapping[str, Any]
    names: Mapping[tuple[str, ...], str]

    def where(self, key: Key) -> str:
        """The variable that sets a key."""
        for end in range(len(key), 0, -1):
            inside = [name for known, name in self.names.items() if known[:end] == tuple(key[:end])]
            if inside:
                return inside[0]
        return "the environment"


def from_environment(environment: Mapping[str, str]) -> tuple[Variables, list[str]]:
    """What it sets, unchecked, and warnings about variables that look like ours and are not."""
    nodes = dict(leaves(Settings))
    long = {variable_name(key): key for key in nodes}
    values: dict[str, Any] = {}
    names: dict[tuple[str, ...], str] = {}
    warnings = []
    for known in (_SHORT, long):  # the long name wins
        for name, key in known.items():
            if text := environment.get(name):
                part = values
                for table in key[:-1]:
                    part = part.setdefault(table, {})
                part[key[-1]] = _value(text, nodes[key]) if key in nodes else text
                names[key] = name
    ours = [*long, *_SHORT, *_NO_SETTINGS]
    for name in sorted(environment):
        if name.startswith(PREFIX) and name not in ours:
            near = get_close_matches(name, ours, 1)
            warnings.append(f"{name}: no variable of ours" + (f"; did you mean {near[0]}?" if near else ""))
    return Variables(values, names), warnings


def variable_name(key: Key) -> str:
    """Of a setting."""
    return PREFIX + "__".join(str(part) for part in key).upper()


def _value(text: str, node: Node) -> Any:
    what = kind(node)
    if what == "string":
        return text
    if what == "array" and not text.lstrip().startswith("["):
        item = node["items"]
        parts = text.split() if kind(item) == "string" else [part for part in re.split(r"[\s,]+", text) if part]
        return [_value(part, item) for part in parts]
    try:
        values = tomllib.loads(f"value = {text}")
    except (tomllib.TOMLDecodeError, ValueError, RecursionError):
        return text  # which is refused, with what is allowed
    return values["value"] if len(values) == 1 else text

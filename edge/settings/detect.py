"""Which board this is: a name of the device tree, or the processor's architecture, found in the boards' profiles."""

import logging
import platform
from dataclasses import dataclass
from pathlib import Path

from edge.board import BOARDS, PROFILE
from edge.errors import M3erError
from edge.settings.toml_file import read_toml

_TREES = (Path("proc/device-tree"), Path("sys/firmware/devicetree/base"))
"""The same; a service that sees little of /proc may still see the second."""
_MOST_BYTES = 4096

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Detected:
    """A board.

    Attributes:
        board: its profile's name; None: none is known for it.
        by: what tells so, in words.
    """

    board: str | None
    by: str


def detect(root: Path = Path("/"), machine: str | None = None, boards: Path = BOARDS) -> Detected:
    """The board whose profile lists the most particular name that this machine has.

    Args:
        root: of the file system.
        machine: the processor's architecture, the last and most general name; this machine's if None.
    """
    machine = platform.machine() if machine is None else machine
    profiles = _profiles(boards)
    compatible, tree, model = _device_tree(root)
    called = f" ({model})" if model else ""
    for name in compatible:
        if name in profiles:
            return Detected(profiles[name], f"detected: {name} in {tree / 'compatible'}{called}")
    if not compatible and machine in profiles:
        return Detected(profiles[machine], f"detected: {machine}, and no device tree")
    names = ", ".join(compatible) or machine
    return Detected(None, f"no profile is known for {names}{called}; the defaults serve")


def _device_tree(root: Path) -> tuple[list[str], Path, str]:
    """Names, the most particular first; where they stand; and what the board calls itself."""
    for tree in _TREES:
        compatible = _strings(root / tree / "compatible")
        if compatible:
            return compatible, Path("/") / tree, " ".join(_strings(root / tree / "model"))
    return [], Path("/"), ""


def _strings(path: Path) -> list[str]:
    """A property of a device tree: texts with a NUL after each."""
    try:
        with path.open("rb") as file:
            content = file.read(_MOST_BYTES)
    except OSError:
        return []
    texts = (part.decode("utf-8", errors="replace").strip() for part in content.split(b"\0"))
    return [text for text in texts if text.isprintable() and text]


def _profiles(boards: Path) -> dict[str, str]:
    """Names of boards, by what is compatible with them. A profile that is no TOML must not stop another board."""
    found: dict[str, str] = {}
    for path in sorted(boards.glob("*.toml")):
        try:
            compatible = read_toml(path, PROFILE).values.get("compatible", [])
        except (M3erError, OSError) as error:
            _log.warning("%s", error)
            continue
        if isinstance(compatible, list):
            found.update({name: path.stem for name in compatible if isinstance(name, str)})
    return found

"""``m3er-edge settings``: what is set, and where each value came from."""

import argparse
import json
import logging
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from edge import run as run_command
from edge.bundle import open_bundle
from edge.cores import check_cores
from edge.errors import M3erError
from edge.settings.flags import from_flags
from edge.settings.layers import Merged, merge_settings
from edge.settings.problems import hidden
from edge.settings.schema import leaves
from edge.settings.settings import Settings
from edge.update.slots import bundle_in_use

_log = logging.getLogger(__name__)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Those of ``m3er-edge run``, whose settings are shown."""
    run_command.add_arguments(parser)
    parser.add_argument("--json", action="store_true", help="one JSON object instead of TOML")


def run(args: argparse.Namespace) -> int:
    """Print what a run with the same flags would use."""
    merged = merge_settings(from_flags(args))
    try:
        check_cores(merged)
    except M3erError as error:  # they may be meant for another machine
        _log.warning("a run here would be refused: %s", error)
    merged = for_bundle(merged, args.bundle or bundle_in_use())
    print(as_json(merged) if args.json else as_toml(merged))
    return 0


def for_bundle(merged: Merged, folder: Path) -> Merged:
    """The settings that a run with this bundle has: it may lack the nets that a detected board's profile wants."""
    try:
        settings = merged.settings_for(open_bundle(folder))
    except M3erError as error:
        _log.warning("a run here would be refused: %s", error)
        return merged
    lacking = [net for net in merged.settings.nets if net not in settings.nets]
    warnings = [f"nets.{net}: not as the board's profile wants it, which {folder} lacks" for net in lacking]
    return replace(merged, settings=settings, warnings=[*merged.warnings, *warnings])


def as_toml(merged: Merged) -> str:
    """Lines that may stand in /etc/m3er-edge.toml as they are. Passwords are hidden."""
    import tomlkit  # slow to import

    lines = [f"# Board: {merged.board_in_words}", *(f"# {warning}" for warning in merged.warnings)]
    if merged.profile is not None:
        lines.append(f"# Its profile: {merged.profile}")
    rows: list[tuple[str, str, str]] = []
    for key, value, origin in values_of(merged):
        text = "" if value is None else tomlkit.item(value).as_string()
        rows.append((".".join(key[:-1]), f"{key[-1]} = {text}" if text else f"# {key[-1]}: not set", origin))
    wide = min(60, max(len(row) for _, row, _ in rows))
    table = ""
    for name, row, origin in rows:
        if name != table:
            table = name
            lines += ["", f"[{name}]"]
        lines.append(f"{row:<{wide}}  # {origin}".rstrip())
    return "\n".join(lines)


def as_json(merged: Merged) -> str:
    """``{"board": …, "settings": {"camera.source": {"value": …, "from": …}, …}}``"""
    settings = {".".join(key): {"value": value, "from": origin} for key, value, origin in values_of(merged)}
    board = {"name": merged.board or None, "known_by": merged.known_by}
    return json.dumps({"board": board, "settings": settings, "warnings": list(merged.warnings)}, indent=1)


def values_of(merged: Merged) -> Iterator[tuple[tuple[str, ...], Any, str]]:
    """Each setting's key, value and origin, in order; nets that are not set are left out."""
    values = merged.settings.model_dump()
    for key, _ in leaves(Settings):
        part: Any = values
        for name in key:
            part = part.get(name, {})
        if part != {}:
            yield key, _hidden(part), merged.where(key)


def _hidden(value: Any) -> Any:
    if isinstance(value, list):
        return [_hidden(item) for item in value]
    return hidden(value) if isinstance(value, str) else value

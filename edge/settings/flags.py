"""Settings from the command line of ``m3er-edge run``."""

import argparse
from collections.abc import Mapping
from typing import Any

from edge.settings.layers import Layer
from edge.settings.toml_file import Key

_FLAGS: Mapping[str, tuple[str, tuple[str, ...]]] = {
    "board": ("--board", ("board",)),
    "camera": ("--camera", ("camera", "source")),
    "mic": ("--mic", ("microphone", "source")),
    "stt_model": ("--stt-model", ("speech", "model")),
    "face_model": ("--face-model", ("faces", "model")),
    "publish": ("--publish", ("output", "publish")),
    "page": ("--page", ("output", "page")),
    "page_video": ("--page-video", ("output", "page_video")),
    "log": ("--log", ("output", "log")),
}
"""By their names in the parsed arguments."""


def from_flags(args: argparse.Namespace) -> Layer:
    """What was given on the command line; what was not is not set."""
    values: dict[str, Any] = {}
    for name, (_, key) in _FLAGS.items():
        value = getattr(args, name, None)
        if value is None or value is False or value == []:
            continue
        part = values
        for table in key[:-1]:
            part = part.setdefault(table, {})
        part[key[-1]] = value if isinstance(value, bool | list) else str(value)
    return Layer(values, flag_of)


def flag_of(key: Key) -> str:
    """The option that sets a key, or nothing."""
    return next((flag for flag, known in _FLAGS.values() if tuple(key[: len(known)]) == known), "")

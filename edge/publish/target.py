"""Can a file be written there: asked before a run, so that an hour's work is not lost at its end."""

import os
from pathlib import Path

from edge.errors import M3erError


def check_writable(path: Path, what: str) -> None:
    """Raise M3erError if `path` plainly cannot be written: it is a folder, or there is no permission.

    Args:
        what: what is to be written, for the message: "readings".
    """
    if path.is_dir():
        raise M3erError(f"{path} is a folder: name a file in it for the {what}")
    nearest = path
    while not nearest.exists():
        nearest = nearest.parent
    if nearest != path and not nearest.is_dir():
        raise M3erError(f"cannot write {what} to {path}: {nearest} is a file; name another place")
    if not os.access(nearest, os.W_OK):
        raise M3erError(
            f"cannot write {what} to {path}: no permission to write {nearest}; "
            "change its permissions or name another file"
        )

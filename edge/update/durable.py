"""Writing so that a power cut leaves the old or the new, and never half of it."""

import os
import shutil
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

_PART = ".part"


def sync_folder(folder: Path) -> None:
    """What was made, renamed or removed in a folder is on the disk when this returns."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def make_folder(folder: Path, owner: tuple[int, int] | None = None) -> None:
    """A folder that everybody may read, whatever our umask; there may be one already, but no link.

    Args:
        owner: user and group that it shall have, which takes root; None: who makes it.
    """
    with suppress(FileExistsError):
        folder.mkdir()
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        os.fchmod(descriptor, 0o755)
        if owner is not None:
            os.fchown(descriptor, *owner)
    finally:
        os.close(descriptor)


def write_new(path: Path, pieces: Iterable[bytes]) -> None:
    """A new file that everybody may read, on the disk when this returns; its name is not yet: see sync_folder."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o644)
    with os.fdopen(descriptor, "wb") as file:
        os.fchmod(descriptor, 0o644)
        for piece in pieces:
            file.write(piece)
        file.flush()
        os.fsync(descriptor)


def replace_file(path: Path, content: bytes) -> None:
    """A file's new content, at once or not at all."""
    part = path.with_name(path.name + _PART)
    part.unlink(missing_ok=True)
    write_new(part, [content])
    part.replace(path)
    sync_folder(path.parent)


def replace_link(link: Path, target: str | None) -> None:
    """Let a link lead elsewhere, at once or not at all; None: it goes."""
    if target is None:
        link.unlink(missing_ok=True)
    else:
        part = link.with_name(link.name + _PART)
        part.unlink(missing_ok=True)
        part.symlink_to(target)
        part.replace(link)
    sync_folder(link.parent)


def remove(path: Path) -> None:
    """Whatever is there, with everything in it; a link itself, never what it leads to."""
    if path.is_symlink() or path.is_file():
        path.unlink()
    elif path.exists():
        shutil.rmtree(path)

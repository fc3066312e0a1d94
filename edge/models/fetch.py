"""Fetch a public model into the cache folder: once, whole, or not at all."""

import errno
import fcntl
import logging
import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from edge.errors import M3erError
from edge.models.download import PAUSES_S, TIMEOUT_S, download, sha256_of
from edge.models.public import PublicModel
from edge.models.unpack import unpack

_log = logging.getLogger(__name__)


def fetch(
    model: PublicModel,
    folder: Path,
    on_bytes: Callable[[int], None] = lambda _: None,
    timeout_s: float = TIMEOUT_S,
    pauses_s: Sequence[float] = PAUSES_S,
) -> Path:
    """Where the model lies, in `folder`; fetched if it is not there yet.

    It appears under its name only when it is whole: verified, unpacked and renamed. Of several processes one
    fetches and the others wait. What broke off, or was killed, is continued by the next call.

    Args:
        folder: is made if needed.
        on_bytes: called with the bytes that are there, again and again.
        timeout_s: to connect, and between two pieces.
        pauses_s: waits between tries.

    Raises:
        M3erError: the network, the server, another file than pinned, or the disk; says what to do.
    """
    target, part = folder / model.installed_as, part_file(model, folder)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with _locked(folder / f".{model.installed_as}.lock", model.name):
            if not _is_there(target, model):
                download(model, part, on_bytes, timeout_s, pauses_s)
                _put_in_place(model, part, target)
            part.unlink(missing_ok=True)
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            need_mb = model.size_bytes * (3 if model.zipped else 1) / 1e6
            raise M3erError(
                f"{folder}: the disk is full; {model.name} takes {need_mb:.1f} MB while it is fetched. Make room, or "
                "name another place with XDG_CACHE_HOME, and run this again: it goes on where it stopped"
            ) from None
        raise M3erError(
            f"{error.filename or folder}: {error.strerror}; name a place that can be written with XDG_CACHE_HOME"
        ) from None
    return target


def part_file(model: PublicModel, folder: Path) -> Path:
    """Where what was fetched so far lies."""
    return folder / f"{model.installed_as}{'.zip' if model.zipped else ''}.part"


def _is_there(target: Path, model: PublicModel) -> bool:
    if model.zipped:
        return target.is_dir() and any(target.iterdir())
    return target.is_file() and sha256_of(target) == model.sha256


def _put_in_place(model: PublicModel, part: Path, target: Path) -> None:
    if not model.zipped:
        with part.open("rb") as file:
            os.fsync(file.fileno())  # or a power cut could leave the name with nothing behind it
        part.replace(target)
        return
    beside = target.with_name(f".{target.name}.unpacking")
    shutil.rmtree(beside, ignore_errors=True)  # of a process that was killed
    try:
        unpack(part, beside)
        beside.rename(target)
    finally:
        shutil.rmtree(beside, ignore_errors=True)


@contextmanager
def _locked(path: Path, name: str) -> Iterator[None]:
    """One process at a time; the kernel lets go of the lock of a process that dies, however it dies."""
    with path.open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            _log.info("%s: another process is fetching it; waiting", name)
            fcntl.flock(file, fcntl.LOCK_EX)
        yield

"""Every change that a process makes to the file system, told before it is made; the process may be killed there."""

import ctypes
import os
import signal
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

_SOURCE = Path(__file__).with_suffix(".c")
_BEFORE = ctypes.CFUNCTYPE(ctypes.c_long, ctypes.c_char_p, ctypes.c_char_p, ctypes.c_char_p, ctypes.c_long)
_GO_ON = -1


@dataclass(frozen=True)
class Operation:
    """One change: ``open`` (that may make a file), ``write``, ``fsync``, ``rename``, ``symlink``, ``mkdir``, ….

    Attributes:
        other: a rename's new path, a link's target.
    """

    name: str
    path: Path
    other: str


def environment(folder: Path) -> dict[str, str]:
    """For a Python that is to hear of its own changes; needs a compiler. The library lies in `folder`."""
    library = folder / "file_operations.so"
    subprocess.run(["gcc", "-shared", "-fPIC", "-O1", "-o", library, _SOURCE, "-ldl"], check=True)
    return {**os.environ, "LD_PRELOAD": str(library)}


class FileOperations:
    """In such a Python: says what comes, and kills the process at a place.

    Args:
        below: changes elsewhere do not count.
    """

    def __init__(self, below: Path) -> None:
        self._below = str(below)
        self._count = 0
        self._kill_at: int | None = None
        self._hear: Callable[[Operation], None] = lambda operation: None
        self._before = _BEFORE(self._told)  # kept, or the library would call what is gone
        ctypes.CDLL(None).tell_file_operations(self._before)

    def hear(self, hear: Callable[[Operation], None]) -> None:
        """From now on `hear` is called before every change."""
        self._hear = hear

    def kill_at(self, number: int) -> None:
        """SIGKILL before the change of this number, counted from now; of a write half is made."""
        self._count, self._kill_at = 0, number

    def _told(self, name: bytes, path: bytes, other: bytes, size: int) -> int:
        where = os.fsdecode(path)
        if not where.startswith(self._below):
            return _GO_ON
        self._hear(Operation(name.decode(), Path(where), os.fsdecode(other)))
        self._count += 1
        if self._kill_at is not None and self._count > self._kill_at:
            if name == b"write":
                return size // 2
            os.kill(os.getpid(), signal.SIGKILL)
        return _GO_ON

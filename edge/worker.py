"""A process of our own that may be killed at any moment: how it is started, and what it does first.

A worker is given its shared memory as open file descriptors and everything else as JSON. It dies with the process
that started it, whatever becomes of that.
"""

import ctypes
import json
import os
import resource
import signal
import subprocess
import sys
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

from edge.capture.ring import Ring
from edge.log import start_logging

_PR_SET_PDEATHSIG, _PR_SET_NAME = 1, 15
_SECRETS = frozenset({"M3ER_MQTT_PASSWORD", "M3ER_PAGE_TOKEN"})
"""What a worker has no need to know."""
NAME_PREFIX = "m3er-"
"""Every worker's name in ``top`` and in the table of budgets begins with it."""


def start_worker(
    name: str, module: str, settings: dict[str, Any], rings: Sequence[Ring], log: int | None = None
) -> subprocess.Popen[bytes]:
    """Start ``module.main(settings, rings)`` in a process of its own.

    To be called from a thread that lives as long as the process: a worker dies with the thread that started it.

    Args:
        name: of at most ten letters, e.g. ``camera``.
        rings: shared memory, in the order in which the worker expects them.
        log: file descriptor for its stderr; None: ours.
    """
    forms = [(ring.slot_bytes, ring.slots, ring.memory, ring.event) for ring in rings]
    start = {"name": name, "parent": os.getpid(), "module": module, "settings": settings, "rings": forms}
    code = "from edge.worker import main; main()"
    return subprocess.Popen(
        [sys.executable, "-c", code, json.dumps(start)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=log,
        pass_fds=[descriptor for ring in rings for descriptor in (ring.memory, ring.event)],
        start_new_session=True,  # Ctrl-C is for the run, which ends its workers itself
        env={**{name: value for name, value in os.environ.items() if name not in _SECRETS}, "PYTHONUNBUFFERED": "1"},
    )


def _hush_libraries() -> None:
    """Python goes on to write to stderr; what libraries print there from C, about every broken picture, is lost."""
    sys.stderr = os.fdopen(os.dup(2), "w", buffering=1, errors="replace")
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    os.close(nowhere)


def name_process(name: str) -> None:
    """Be called `name` in ``top`` and /proc/PID/comm."""
    ctypes.CDLL(None).prctl(_PR_SET_NAME, name.encode()[:15], 0, 0, 0)


def forbid_core_files() -> None:
    """Should this process crash, what it has seen and heard is not written to the disk; nor for its children.

    A limit of 1 is the one that also keeps the kernel from handing the memory to a crash collector (Linux,
    fs/coredump.c); 0 does not.
    """
    if resource.getrlimit(resource.RLIMIT_CORE)[1] != 0:  # which nobody but root may raise
        resource.setrlimit(resource.RLIMIT_CORE, (1, 1))


def process_name(process: int) -> str:
    """What a process is called; empty if it has ended."""
    try:
        return Path(f"/proc/{process}/comm").read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return ""


def main() -> None:
    """Of the new process."""
    start = json.loads(sys.argv[1])
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != start["parent"]:  # it died before we asked to die with it
        return
    name_process(NAME_PREFIX + start["name"])
    forbid_core_files()
    _hush_libraries()
    start_logging(start["name"])
    rings = [Ring(slot_bytes, slots, memory, event) for slot_bytes, slots, memory, event in start["rings"]]
    import_module(start["module"]).main(start["settings"], *rings)

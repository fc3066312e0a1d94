"""Child processes of the tests' devices: none outlives the test process, whatever ended it."""

import os
import shutil
import signal
import subprocess
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

_WAIT_S = 10.0

# Linux kills a child when its parent *thread* ends: so one thread, which lives as long as the process, starts them all.
_starter = ThreadPoolExecutor(max_workers=1, thread_name_prefix="start-child")


def start_child(
    command: Sequence[str | Path], log: Path, environment: Mapping[str, str] | None = None
) -> subprocess.Popen[bytes]:
    """Start a command in a process group of its own; the kernel kills it when the test process ends.

    Args:
        log: gets what it says, on stdout and stderr.
        environment: added to this process's own.
    """
    with log.open("ab") as said:
        return _starter.submit(
            subprocess.Popen,
            dies_with_parent(command),
            stdin=subprocess.DEVNULL,
            stdout=said,
            stderr=said,
            env={**os.environ, **(environment or {})},
            start_new_session=True,
        ).result(_WAIT_S)


def dies_with_parent(command: Sequence[str | Path]) -> list[str]:
    """The command, made to be killed when the thread that starts it ends."""
    return ["setpriv", "--pdeathsig", "KILL", *map(str, command)]


def kill_child(child: subprocess.Popen[bytes]) -> None:
    """End it and its whole group at once, running, stopped or dead."""
    with suppress(ProcessLookupError):  # the whole group is gone already
        os.killpg(child.pid, signal.SIGKILL)
    child.wait(_WAIT_S)


def missing_commands(*names: str) -> str:
    """Which of these commands are not installed, for the reason of a skipped test; empty when all are."""
    absent = [name for name in names if shutil.which(name) is None]
    return f"{', '.join(absent)} not installed: run 'make system'" if absent else ""
